/// Which Debian package has a library: names that wheels are often found to need, and no more than that.
///
/// A table, written by hand: Debian's own lists of contents are 30 times as large as all else a build asks of it. The
/// second name is that in bookworm, the third that in trixie, where the change to 64-bit times renamed some.
#[rustfmt::skip]
const PACKAGES: &[(&str, &str, &str)] = &[
    ("libEGL.so.1", "libegl1", "libegl1"),
    ("libGL.so.1", "libgl1", "libgl1"),
    ("libGLU.so.1", "libglu1-mesa", "libglu1-mesa"),
    ("libGLX.so.0", "libglx0", "libglx0"),
    ("libGLESv2.so.2", "libgles2", "libgles2"),
    ("libOpenGL.so.0", "libopengl0", "libopengl0"),
    ("libICE.so.6", "libice6", "libice6"),
    ("libSM.so.6", "libsm6", "libsm6"),
    ("libX11-xcb.so.1", "libx11-xcb1", "libx11-xcb1"),
    ("libX11.so.6", "libx11-6", "libx11-6"),
    ("libXau.so.6", "libxau6", "libxau6"),
    ("libXcomposite.so.1", "libxcomposite1", "libxcomposite1"),
    ("libXcursor.so.1", "libxcursor1", "libxcursor1"),
    ("libXdamage.so.1", "libxdamage1", "libxdamage1"),
    ("libXext.so.6", "libxext6", "libxext6"),
    ("libXfixes.so.3", "libxfixes3", "libxfixes3"),
    ("libXi.so.6", "libxi6", "libxi6"),
    ("libXinerama.so.1", "libxinerama1", "libxinerama1"),
    ("libXrandr.so.2", "libxrandr2", "libxrandr2"),
    ("libXrender.so.1", "libxrender1", "libxrender1"),
    ("libXss.so.1", "libxss1", "libxss1"),
    ("libXt.so.6", "libxt6", "libxt6t64"),
    ("libXtst.so.6", "libxtst6", "libxtst6"),
    ("libXxf86vm.so.1", "libxxf86vm1", "libxxf86vm1"),
    ("libasound.so.2", "libasound2", "libasound2t64"),
    ("libatk-1.0.so.0", "libatk1.0-0", "libatk1.0-0t64"),
    ("libatk-bridge-2.0.so.0", "libatk-bridge2.0-0", "libatk-bridge2.0-0t64"),
    ("libatomic.so.1", "libatomic1", "libatomic1"),
    ("libatspi.so.0", "libatspi2.0-0", "libatspi2.0-0t64"),
    ("libbrotlicommon.so.1", "libbrotli1", "libbrotli1"),
    ("libbrotlidec.so.1", "libbrotli1", "libbrotli1"),
    ("libbz2.so.1.0", "libbz2-1.0", "libbz2-1.0"),
    ("libcairo-gobject.so.2", "libcairo-gobject2", "libcairo-gobject2"),
    ("libcairo.so.2", "libcairo2", "libcairo2"),
    ("libcrypt.so.1", "libcrypt1", "libcrypt1"),
    ("libcrypto.so.3", "libssl3", "libssl3t64"),
    ("libcups.so.2", "libcups2", "libcups2t64"),
    ("libcurl.so.4", "libcurl4", "libcurl4t64"),
    ("libdbus-1.so.3", "libdbus-1-3", "libdbus-1-3"),
    ("libdrm.so.2", "libdrm2", "libdrm2"),
    ("libexpat.so.1", "libexpat1", "libexpat1"),
    ("libffi.so.8", "libffi8", "libffi8"),
    ("libfontconfig.so.1", "libfontconfig1", "libfontconfig1"),
    ("libfreetype.so.6", "libfreetype6", "libfreetype6"),
    ("libgbm.so.1", "libgbm1", "libgbm1"),
    ("libgcc_s.so.1", "libgcc-s1", "libgcc-s1"),
    ("libgdk-3.so.0", "libgtk-3-0", "libgtk-3-0t64"),
    ("libgdk_pixbuf-2.0.so.0", "libgdk-pixbuf-2.0-0", "libgdk-pixbuf-2.0-0"),
    ("libgfortran.so.5", "libgfortran5", "libgfortran5"),
    ("libgio-2.0.so.0", "libglib2.0-0", "libglib2.0-0t64"),
    ("libglib-2.0.so.0", "libglib2.0-0", "libglib2.0-0t64"),
    ("libgmodule-2.0.so.0", "libglib2.0-0", "libglib2.0-0t64"),
    ("libgobject-2.0.so.0", "libglib2.0-0", "libglib2.0-0t64"),
    ("libgthread-2.0.so.0", "libglib2.0-0", "libglib2.0-0t64"),
    ("libgomp.so.1", "libgomp1", "libgomp1"),
    ("libgssapi_krb5.so.2", "libgssapi-krb5-2", "libgssapi-krb5-2"),
    ("libgtk-3.so.0", "libgtk-3-0", "libgtk-3-0t64"),
    ("libharfbuzz.so.0", "libharfbuzz0b", "libharfbuzz0b"),
    ("libjpeg.so.62", "libjpeg62-turbo", "libjpeg62-turbo"),
    ("libkrb5.so.3", "libkrb5-3", "libkrb5-3"),
    ("libldap-2.5.so.0", "libldap-2.5-0", ""),
    ("libldap.so.2", "", "libldap2"),
    ("liblzma.so.5", "liblzma5", "liblzma5"),
    ("libmariadb.so.3", "libmariadb3", "libmariadb3"),
    ("libnspr4.so", "libnspr4", "libnspr4"),
    ("libnss3.so", "libnss3", "libnss3"),
    ("libnssutil3.so", "libnss3", "libnss3"),
    ("libsmime3.so", "libnss3", "libnss3"),
    ("libnuma.so.1", "libnuma1", "libnuma1"),
    ("libodbc.so.2", "libodbc2", "libodbc2"),
    ("libpango-1.0.so.0", "libpango-1.0-0", "libpango-1.0-0"),
    ("libpangocairo-1.0.so.0", "libpangocairo-1.0-0", "libpangocairo-1.0-0"),
    ("libpng16.so.16", "libpng16-16", "libpng16-16t64"),
    ("libportaudio.so.2", "libportaudio2", "libportaudio2"),
    ("libpq.so.5", "libpq5", "libpq5"),
    ("libpulse.so.0", "libpulse0", "libpulse0"),
    ("libpulse-mainloop-glib.so.0", "libpulse-mainloop-glib0", "libpulse-mainloop-glib0"),
    ("libpython3.11.so.1.0", "libpython3.11", ""),
    ("libpython3.13.so.1.0", "", "libpython3.13"),
    ("libsndfile.so.1", "libsndfile1", "libsndfile1"),
    ("libsqlite3.so.0", "libsqlite3-0", "libsqlite3-0"),
    ("libssl.so.3", "libssl3", "libssl3t64"),
    ("libstdc++.so.6", "libstdc++6", "libstdc++6"),
    ("libudev.so.1", "libudev1", "libudev1"),
    ("libusb-1.0.so.0", "libusb-1.0-0", "libusb-1.0-0"),
    ("libuuid.so.1", "libuuid1", "libuuid1"),
    ("libwayland-client.so.0", "libwayland-client0", "libwayland-client0"),
    ("libwayland-cursor.so.0", "libwayland-cursor0", "libwayland-cursor0"),
    ("libwayland-egl.so.1", "libwayland-egl1", "libwayland-egl1"),
    ("libwayland-server.so.0", "libwayland-server0", "libwayland-server0"),
    ("libxcb-cursor.so.0", "libxcb-cursor0", "libxcb-cursor0"),
    ("libxcb-glx.so.0", "libxcb-glx0", "libxcb-glx0"),
    ("libxcb-icccm.so.4", "libxcb-icccm4", "libxcb-icccm4"),
    ("libxcb-image.so.0", "libxcb-image0", "libxcb-image0"),
    ("libxcb-keysyms.so.1", "libxcb-keysyms1", "libxcb-keysyms1"),
    ("libxcb-randr.so.0", "libxcb-randr0", "libxcb-randr0"),
    ("libxcb-render-util.so.0", "libxcb-render-util0", "libxcb-render-util0"),
    ("libxcb-render.so.0", "libxcb-render0", "libxcb-render0"),
    ("libxcb-shape.so.0", "libxcb-shape0", "libxcb-shape0"),
    ("libxcb-shm.so.0", "libxcb-shm0", "libxcb-shm0"),
    ("libxcb-sync.so.1", "libxcb-sync1", "libxcb-sync1"),
    ("libxcb-util.so.1", "libxcb-util1", "libxcb-util1"),
    ("libxcb-xfixes.so.0", "libxcb-xfixes0", "libxcb-xfixes0"),
    ("libxcb-xinerama.so.0", "libxcb-xinerama0", "libxcb-xinerama0"),
    ("libxcb-xkb.so.1", "libxcb-xkb1", "libxcb-xkb1"),
    ("libxcb.so.1", "libxcb1", "libxcb1"),
    ("libxkbcommon-x11.so.0", "libxkbcommon-x11-0", "libxkbcommon-x11-0"),
    ("libxkbcommon.so.0", "libxkbcommon0", "libxkbcommon0"),
    ("libxkbfile.so.1", "libxkbfile1", "libxkbfile1"),
    ("libxml2.so.2", "libxml2", "libxml2"),
    ("libxslt.so.1", "libxslt1.1", "libxslt1.1"),
    ("libxshmfence.so.1", "libxshmfence1", "libxshmfence1"),
    ("libz.so.1", "zlib1g", "zlib1g"),
    ("libzstd.so.1", "libzstd1", "libzstd1"),
];

/// The package that has a library in a Debian release; `None` for one that is not in the table.
pub(super) fn package(library: &str, codename: &str) -> Option<&'static str> {
    let (_, bookworm, trixie) = PACKAGES.iter().find(|(known, _, _)| *known == library)?;
    let package = match codename {
        "bookworm" => bookworm,
        "trixie" => trixie,
        _ => return None,
    };
    Some(*package).filter(|package| !package.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_has_a_package_in_a_release() {
        assert_eq!(package("libGL.so.1", "bookworm"), Some("libgl1"));
        assert_eq!(package("libglib-2.0.so.0", "trixie"), Some("libglib2.0-0t64"));
        assert_eq!(package("libglib-2.0.so.0", "sid"), None);
        assert_eq!(package("libldap.so.2", "bookworm"), None);
        assert_eq!(package("libnothing.so.1", "bookworm"), None);
    }
}
