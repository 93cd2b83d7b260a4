"""The table of the planner: what one changed package costs, over sets of published wheels."""

import subprocess
import sys

from common import ROOT

sys.exit(subprocess.run(["cargo", "bench", "--quiet", "--locked", "--profile", "dev", "--bench", "planner"], cwd=ROOT).returncode)
