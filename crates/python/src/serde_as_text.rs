/// Implements serde's traits for a type that has one spelling: written as `Display` writes it, read as `FromStr` reads
/// it, with the reason that `FromStr` gives in the error.
///
/// Ready-made macros (serde_plain's) drop that reason.
#[macro_export]
macro_rules! serde_as_text {
    ($type:ty) => {
        impl ::serde::Serialize for $type {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = ::std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use serde::Deserialize as _;
    use serde::de::IntoDeserializer as _;
    use serde::de::value::{Error, StrDeserializer};

    use crate::{PackageName, PythonVersion};

    fn read(text: &str) -> StrDeserializer<'_, Error> {
        text.into_deserializer()
    }

    #[test]
    fn error_has_the_reason_of_from_str() {
        let reason = "3".parse::<PythonVersion>().unwrap_err().to_string();
        assert_eq!(PythonVersion::deserialize(read("3")).unwrap_err().to_string(), reason);
        assert_eq!(PackageName::deserialize(read("Foo_Bar")).unwrap().as_str(), "foo-bar");
    }
}
