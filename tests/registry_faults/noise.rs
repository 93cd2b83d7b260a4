use wainwright_testing::{Act, Length, Reply};

use super::row::{Row, pull, push};

/// Answers with damage that nobody thought of: anything may come of it but a panic, a hang, a leak, or a success that is none.
pub(super) fn rows() -> Vec<Row> {
    (0..150)
        .map(|round: u64| {
            let name: &'static str = format!("noise_{round}").leak();
            let row = if round.is_multiple_of(2) {
                push(name, "damage").wants_token()
            } else {
                pull(name, "damage")
            };
            row.script(move |asked, _| {
                let mut dice = Dice(round << 32 | asked.number as u64);
                let is_hit = dice.roll(4) == 0 && asked.number < 200;
                is_hit.then(|| Act::Alter(Box::new(move |reply| damage(reply, &mut dice))))
            })
            .anything()
        })
        .collect()
}

/// Numbers that look thrown, the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides as u64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

const HEADERS: [&str; 8] = [
    "location",
    "docker-content-digest",
    "content-type",
    "www-authenticate",
    "retry-after",
    "warning",
    "content-range",
    "oci-chunk-min-length",
];
const VALUES: [&str; 12] = [
    "",
    "/",
    "//",
    "sha256:",
    "sha256:é",
    "18446744073709551616",
    "-1",
    "application/json;;;=\"",
    "Bearer realm=\"/token\",realm=\"\",scope=,,",
    "bytes 0-18446744073709551615/*",
    "http://user:pass@[::1]:99999/%00?%ff#",
    "299 - \"\u{202e}\"",
];
const BODIES: [&str; 8] = [
    "",
    "null",
    "[]",
    "{\"errors\":{}}",
    "{\"errors\":[{\"code\":7,\"message\":[],\"detail\":[[[]]]},null,[]]}",
    "{\"token\":null,\"access_token\":\"\",\"expires_in\":-1e308}",
    "{\"schemaVersion\":2,\"mediaType\":7,\"layers\":[{\"size\":-1,\"digest\":\"sha256:../../x\"}]}",
    "{\"schemaVersion\":2,\"manifests\":[{\"size\":18446744073709551616}],\"config\":null}",
];
const STATUSES: [u16; 14] = [199, 200, 201, 202, 204, 206, 226, 301, 307, 400, 401, 404, 416, 599];

fn damage(reply: Reply, dice: &mut Dice) -> Reply {
    match dice.roll(9) {
        0 => {
            let status = dice.pick(&STATUSES);
            reply.as_status(status)
        }
        1 => {
            let (name, value) = (dice.pick(&HEADERS), dice.pick(&VALUES));
            reply.with(name, value)
        }
        2 => reply.without(dice.pick(&HEADERS)),
        3 => reply.body(dice.pick(&BODIES)).length(Length::Right),
        4 => {
            let mut body = reply.body.clone();
            for _ in 0..=dice.roll(20) {
                if body.is_empty() {
                    break;
                }
                let at = dice.roll(body.len());
                body[at] = dice.roll(256) as u8;
            }
            reply.body(body)
        }
        5 => {
            let keep = dice.roll(reply.body.len() + 1);
            reply.cut(keep)
        }
        6 => {
            let length = dice.pick(&[0, 1, 1 << 33, u64::MAX]);
            reply.length(Length::Claimed(length)).abrupt()
        }
        7 => {
            let noise: Vec<u8> = (0..dice.roll(300)).map(|_| dice.roll(256) as u8).collect();
            reply.after(noise).abrupt()
        }
        _ => reply.length(Length::Chunked),
    }
}
