{{/*
A text in double quotes, whatever is in it: JSON is YAML, but for characters that YAML does not take as they are.
*/}}
{{- define "wain.text" -}}
{{- $text := toJson (toString .) -}}
{{- range concat (untilStep 127 160 1) (list 65279 65534 65535) -}}
{{- $text = replace (printf "%c" .) (printf "\\u%04x" .) $text -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{/*
What never changes for a part, so that selectors can rely on it. Takes a dict of root and name.
*/}}
{{- define "wain.selector" -}}
app.kubernetes.io/name: {{ include "wain.text" .name }}
app.kubernetes.io/instance: {{ include "wain.text" .root.Release.Name }}
{{- end -}}

{{/*
The labels that Kubernetes recommends. Takes a dict of root, name and, for a part, kind.
*/}}
{{- define "wain.labels" -}}
{{ include "wain.selector" . }}
app.kubernetes.io/version: {{ include "wain.text" (regexReplaceAll "[^A-Za-z0-9._-]" .root.Chart.AppVersion "_" | trunc 63 | trimAll "._-") }}
{{- with .kind }}
app.kubernetes.io/component: {{ include "wain.text" . }}
{{- end }}
app.kubernetes.io/part-of: {{ include "wain.text" .root.Chart.Name }}
app.kubernetes.io/managed-by: {{ include "wain.text" .root.Release.Service }}
helm.sh/chart: {{ include "wain.text" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimAll "._-") }}
{{- end -}}

{{/*
The metadata of an object. Takes what wain.labels takes.
*/}}
{{- define "wain.metadata" -}}
name: {{ include "wain.text" .name }}
namespace: {{ include "wain.text" .root.Release.Namespace }}
labels:
  {{- include "wain.labels" . | nindent 2 }}
{{- end -}}

{{/*
A reference by digest, or by tag for images of others that have none.
*/}}
{{- define "wain.image" -}}
{{- if .digest -}}
{{- include "wain.text" (printf "%s@%s" .repository .digest) -}}
{{- else -}}
{{- include "wain.text" (printf "%s:%s" .repository .tag) -}}
{{- end -}}
{{- end -}}

{{/*
How a part is asked whether it is well. Takes a dict of workload and path.
*/}}
{{- define "wain.probe" -}}
{{- $port := "" -}}
{{- with .workload.ports }}{{ $port = include "wain.text" (first .).name }}{{ end -}}
{{- if or .workload.probe.http .workload.probe.path -}}
httpGet:
  path: {{ include "wain.text" .path }}
  port: {{ with .workload.probe.port }}{{ int . }}{{ else }}{{ $port }}{{ end }}
{{- else if .workload.probe.command -}}
exec:
  command:
    {{- range .workload.probe.command }}
    - {{ include "wain.text" . }}
    {{- end }}
{{- else -}}
tcpSocket:
  port: {{ $port }}
{{- end -}}
{{- end -}}

{{/*
A sha256 over the environment, so that pods begin anew when it changes.
*/}}
{{- define "wain.checksum" -}}
{{- $text := "" -}}
{{- range $name, $value := . -}}
{{- $text = printf "%s%s=%s\n" $text $name $value -}}
{{- end -}}
{{- sha256sum $text -}}
{{- end -}}
