//! Owns the question who may read: the bearer token of `HAB_SUP_GATEWAY_AUTH_TOKEN` (contract, section 1.9), and the
//! paths that probes need without one. Never keeps the token itself, and never tells where a wrong one differs.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use http::{HeaderMap, StatusCode, header};
use ring::hmac;

use super::reply::{self, Answer};

/// Where the token comes from; nowhere else, so that it is in no file and on no command line.
pub const TOKEN_VARIABLE: &str = "HAB_SUP_GATEWAY_AUTH_TOKEN";

/// A kubelet's probe has no token unless the manifest spells it out, so that these stay open.
const OPEN: [&str; 3] = ["/", "/livez", "/readyz"];

/// Who may read what.
#[derive(Clone)]
pub struct Access {
    key: hmac::Key,
    /// Of the token: tags are compared in constant time, whatever the lengths of what they are of.
    tag: hmac::Tag,
}

/// A token that no request could present.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{TOKEN_VARIABLE}: byte {position} is white space or a control character, so that no Authorization header could hold the token; \
     mend its Secret (a file that ends in a newline is the usual cause)"
)]
pub struct UnusableToken {
    /// Counted from 1.
    position: usize,
}

impl Access {
    /// With this token. An empty one counts as none, as in Habitat.
    pub fn with_token(token: &[u8]) -> Result<Option<Access>, UnusableToken> {
        if token.is_empty() {
            return Ok(None);
        }
        if let Some(index) = token
            .iter()
            .position(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control())
        {
            return Err(UnusableToken {
                position: index + 1,
            });
        }
        // The key is no secret: what counts is that tags have one length and a comparison that takes one time.
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"kubesup gateway");
        Ok(Some(Access {
            tag: hmac::sign(&key, token),
            key,
        }))
    }

    /// Exactly two words, the first exactly `Bearer`.
    fn permits(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return false;
        };
        let mut words = value
            .as_bytes()
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        match (words.next(), words.next(), words.next()) {
            (Some(b"Bearer"), Some(token), None) => {
                hmac::verify(&self.key, token, self.tag.as_ref()).is_ok()
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access(bearer token)")
    }
}

/// Lets through what may pass, and answers 401 to the rest: without a body and a challenge, as Habitat does.
pub(super) async fn gate(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Answer {
    let path = request.uri().path();
    if OPEN.contains(&path) || access.permits(request.headers()) {
        next.run(request).await
    } else if reply::is_own(path) {
        reply::error(
            StatusCode::UNAUTHORIZED,
            "the Authorization header is not `Bearer` and the gateway's token",
        )
    } else {
        reply::empty(StatusCode::UNAUTHORIZED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(token: &[u8], header: &[u8]) -> bool {
        let access = Access::with_token(token).expect("usable").expect("a token");
        let mut headers = HeaderMap::new();
        let value = http::HeaderValue::from_bytes(header).expect("a header");
        headers.insert(header::AUTHORIZATION, value);
        access.permits(&headers)
    }

    #[test]
    fn only_bearer_and_the_token_pass() {
        assert!(permits(b"secret", b"Bearer secret"));
        assert!(permits(b"secret", b"Bearer   secret"));
        for wrong in [
            &b"Bearer"[..],
            b"Bearer ",
            b"Bearer secre",
            b"Bearer secrets",
            b"bearer secret",
            b"BEARER secret",
            b"Basic secret",
            b"Bearer secret more",
            b"secret",
            b"",
            b"Bearer: secret",
        ] {
            assert!(
                !permits(b"secret", wrong),
                "{:?}",
                String::from_utf8_lossy(wrong)
            );
        }
    }

    #[test]
    fn a_token_need_not_be_utf_8() {
        assert!(permits(b"a\xff\xfe\x80b", b"Bearer a\xff\xfe\x80b"));
        assert!(!permits(b"a\xff\xfe\x80b", b"Bearer a\xff\xfe\x81b"));
        assert!(permits("tökén".as_bytes(), "Bearer tökén".as_bytes()));
    }

    #[test]
    fn an_empty_token_counts_as_none() {
        assert!(Access::with_token(b"").expect("usable").is_none());
    }

    #[test]
    fn a_token_that_no_header_can_hold_is_refused_with_its_place() {
        for (token, position) in [
            (&b"secret\n"[..], 7),
            (b"a b", 2),
            (b"\tx", 1),
            (b"x\x00", 2),
            (b"x\x7f", 2),
        ] {
            let error = Access::with_token(token).expect_err("refused");
            assert_eq!(error, UnusableToken { position });
            assert!(
                error
                    .to_string()
                    .starts_with("HAB_SUP_GATEWAY_AUTH_TOKEN: byte"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_token_is_not_in_the_debug_text() {
        let access = Access::with_token(b"secret").expect("usable");
        assert!(!format!("{access:?}").contains("secret"));
    }
}
