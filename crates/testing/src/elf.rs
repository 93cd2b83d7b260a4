//! ELF files with nothing in them but what the loader reads first.

/// An ELF file in the making: 64 bits, little-endian.
#[derive(Clone, Debug, Default)]
pub struct ElfFile {
    machine: u16,
    interpreter: Option<String>,
    soname: Option<String>,
    needed: Vec<String>,
    run_path: Option<String>,
    symbols: Vec<String>,
    requires: Vec<(String, Vec<String>)>,
    offers: Vec<String>,
}

impl ElfFile {
    /// A library for x86-64.
    pub fn new() -> Self {
        Self { machine: 62, ..Self::default() }
    }

    /// For another machine: 183 is AArch64.
    pub fn machine(mut self, machine: u16) -> Self {
        self.machine = machine;
        self
    }

    /// Names a program interpreter.
    pub fn interpreter(mut self, path: &str) -> Self {
        self.interpreter = Some(path.into());
        self
    }

    /// Names itself.
    pub fn soname(mut self, name: &str) -> Self {
        self.soname = Some(name.into());
        self
    }

    /// Needs a library.
    pub fn needed(mut self, name: &str) -> Self {
        self.needed.push(name.into());
        self
    }

    /// Says where it looks for libraries.
    pub fn run_path(mut self, path: &str) -> Self {
        self.run_path = Some(path.into());
        self
    }

    /// Has a symbol: `PyInit_fast` makes a module of it.
    pub fn symbol(mut self, name: &str) -> Self {
        self.symbols.push(name.into());
        self
    }

    /// Needs symbol versions of a library, which it needs as well.
    pub fn requires(mut self, library: &str, versions: &[&str]) -> Self {
        self.requires.push((library.into(), versions.iter().map(|name| (*name).to_owned()).collect()));
        self.needed(library)
    }

    /// Offers a symbol version.
    pub fn offers(mut self, version: &str) -> Self {
        self.offers.push(version.into());
        self
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut strings = vec![0];
        let mut string = |text: &str| {
            let offset = strings.len();
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
            offset as u64
        };
        let mut tags: Vec<(u64, u64)> = self.needed.iter().map(|name| (1, string(name))).collect();
        tags.extend(self.soname.iter().map(|name| (14, string(name))));
        tags.extend(self.run_path.iter().map(|path| (29, string(path))));
        for name in &self.symbols {
            string(name);
        }
        let (requires, offers) = (self.version_needs(&mut string), self.version_definitions(&mut string));
        let interpreter_at = self.interpreter.as_ref().map_or(0, |path| string(path));
        let count =
            tags.len() as u64 + 3 + 2 * u64::from(!requires.is_empty()) + 2 * u64::from(!offers.is_empty());
        let dynamic_at = 64 + 3 * 56;
        let strings_at = dynamic_at + count * 16;
        let requires_at = strings_at + strings.len() as u64;
        let offers_at = requires_at + requires.len() as u64;
        let total = offers_at + offers.len() as u64;
        // Loaded high, so that an address and its place in the file differ.
        let base = 0x10_0000;
        if !requires.is_empty() {
            tags.extend([(0x6fff_fffe, base + requires_at), (0x6fff_ffff, self.requires.len() as u64)]);
        }
        if !offers.is_empty() {
            tags.extend([(0x6fff_fffc, base + offers_at), (0x6fff_fffd, self.offers.len() as u64)]);
        }
        tags.extend([(5, base + strings_at), (10, strings.len() as u64), (0, 0)]);
        let interpreter_size = self.interpreter.as_ref().map_or(0, |path| path.len() as u64 + 1);
        let segments = [
            (1, 0, total),
            (2, dynamic_at, count * 16),
            (if interpreter_size > 0 { 3 } else { 0 }, strings_at + interpreter_at, interpreter_size),
        ];
        let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        put16(&mut bytes, &[3, self.machine]);
        put32(&mut bytes, &[1]);
        put64(&mut bytes, &[0, 64, 0]);
        put32(&mut bytes, &[0]);
        put16(&mut bytes, &[64, 56, 3, 0, 0, 0]);
        for (kind, offset, size) in segments {
            put32(&mut bytes, &[kind, 4]);
            put64(&mut bytes, &[offset, base + offset, base + offset, size, size, 8]);
        }
        tags.iter().for_each(|(tag, value)| put64(&mut bytes, &[*tag, *value]));
        [bytes, strings, requires, offers].concat()
    }

    fn version_needs(&self, string: &mut dyn FnMut(&str) -> u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (index, (library, versions)) in self.requires.iter().enumerate() {
            let is_last = index + 1 == self.requires.len();
            let size = 16 + 16 * versions.len() as u32;
            put16(&mut bytes, &[1, versions.len() as u16]);
            put32(&mut bytes, &[string(library) as u32, 16, if is_last { 0 } else { size }]);
            for (index, version) in versions.iter().enumerate() {
                let is_last = index + 1 == versions.len();
                put32(&mut bytes, &[0]);
                put16(&mut bytes, &[0, 2]);
                put32(&mut bytes, &[string(version) as u32, if is_last { 0 } else { 16 }]);
            }
        }
        bytes
    }

    fn version_definitions(&self, string: &mut dyn FnMut(&str) -> u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (index, version) in self.offers.iter().enumerate() {
            let is_last = index + 1 == self.offers.len();
            put16(&mut bytes, &[1, 0, 2, 1]);
            put32(&mut bytes, &[0, 20, if is_last { 0 } else { 28 }]);
            put32(&mut bytes, &[string(version) as u32, 0]);
        }
        bytes
    }
}

fn put16(bytes: &mut Vec<u8>, numbers: &[u16]) {
    numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
}

fn put32(bytes: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
}

fn put64(bytes: &mut Vec<u8>, numbers: &[u64]) {
    numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
}
