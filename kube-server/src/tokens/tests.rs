use super::*;
use jiff::Timestamp;

const URL: &str = "https://kubernetes.default.svc.cluster.local";

fn issuer() -> Issuer {
    Issuer::new(URL, &TokenKey::generate().unwrap()).unwrap()
}

fn claims() -> Claims {
    Claims {
        aud: Audience::Many(vec![URL.to_owned()]),
        exp: 2000,
        iat: 1000,
        iss: URL.to_owned(),
        jti: "id".to_owned(),
        kubernetes: Kubernetes {
            namespace: "default".to_owned(),
            serviceaccount: BoundTo { name: "a".to_owned(), uid: "u".to_owned() },
            pod: Some(BoundTo { name: "p".to_owned(), uid: "pu".to_owned() }),
            ..Kubernetes::default()
        },
        nbf: 1000,
        sub: "system:serviceaccount:default:a".to_owned(),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn encode(json: &str) -> String {
    URL_SAFE_NO_PAD.encode(json)
}

#[track_caller]
fn check_refused(issuer: &Issuer, token: &str, expected: Refusal) {
    assert_eq!(issuer.verify(token).unwrap_err(), expected, "{token}");
}

#[test]
fn what_was_signed_verifies() {
    let issuer = issuer();
    let token = issuer.sign(&claims());
    assert_eq!(issuer.verify(&token).unwrap(), claims());
    let user = claims().user();
    assert_eq!(user.name, "system:serviceaccount:default:a");
    assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]);
    assert_eq!(user.extra["authentication.kubernetes.io/pod-name"], ["p"]);
    assert_eq!(user.extra["authentication.kubernetes.io/credential-id"], ["JTI=id"]);
}

#[test]
fn forged_tokens_are_refused() {
    let issuer = issuer();
    let token = issuer.sign(&claims());
    let parts: Vec<&str> = token.split('.').collect();
    let payload = serde_json::to_string(&claims()).unwrap();
    let swapped = payload.replace(":a\"", ":b\"").replace("\"name\":\"a\"", "\"name\":\"b\"");
    check_refused(&issuer, &format!("{}.{}.{}", parts[0], encode(&swapped), parts[2]), Refusal::Signature);
    check_refused(&issuer, &format!("{}.{}.", encode(r#"{"alg":"none"}"#), parts[1]), Refusal::Algorithm);
    check_refused(&issuer, &format!("{}.{}.{}", encode(r#"{"alg":"HS256"}"#), parts[1], parts[2]), Refusal::Algorithm);
    check_refused(&issuer, &format!("{}.{}.", parts[0], parts[1]), Refusal::Signature);
    check_refused(&issuer, &super::tests::issuer().sign(&claims()), Refusal::Signature);
    for malformed in ["", ".", "..", "a.b.c", "abc", &"a".repeat(20_000)] {
        check_refused(&issuer, malformed, Refusal::Malformed);
    }
}

#[test]
fn claims_must_be_ours_and_agree() {
    let issuer = issuer();
    check_refused(&issuer, &issuer.sign(&Claims { iss: "https://other".into(), ..claims() }), Refusal::Issuer);
    check_refused(&issuer, &issuer.sign(&Claims { sub: "system:admin".into(), ..claims() }), Refusal::Claims);
}

#[test]
fn time_and_audience_are_held() {
    let ours = [URL.to_owned()];
    assert_eq!(claims().check(at(1000), &ours), Ok(()));
    assert_eq!(claims().check(at(1999), &ours), Ok(()));
    assert_eq!(claims().check(at(2000), &ours), Err(Refusal::Expired));
    assert_eq!(claims().check(at(999), &ours), Err(Refusal::NotYetValid));
    assert_eq!(claims().check(at(1000), &["vault".to_owned()]), Err(Refusal::Audience));
    let single = Claims { aud: Audience::One("vault".into()), ..claims() };
    assert_eq!(single.check(at(1000), &["vault".to_owned()]), Ok(()));
}

#[test]
fn the_published_key_verifies_tokens() {
    let issuer = issuer();
    let token = issuer.sign(&claims());
    let key = &issuer.key_set()["keys"][0];
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    ring::signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
        .unwrap();
    assert_eq!(issuer.openid_configuration()["jwks_uri"], format!("{URL}/openid/v1/jwks"));
}

#[test]
fn a_kept_key_makes_the_same_issuer() {
    let key = TokenKey::generate().unwrap();
    let (one, other) = (Issuer::new(URL, &key).unwrap(), Issuer::new(URL, &key).unwrap());
    assert!(other.verify(&one.sign(&claims())).is_ok());
    assert!(Issuer::new(URL, &TokenKey("nonsense".into())).is_err());
}
