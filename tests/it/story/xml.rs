//! A check of the part of XML that the pictures use.

/// Checks that the text is well-formed.
#[track_caller]
pub fn check(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text.trim_end();
    let mut count = 0;
    while let Some(start) = rest.find('<') {
        check_text(&rest[..start]);
        let end = rest[start..].find('>').expect("each tag has an end") + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        count += 1;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "tags are nested");
        } else {
            let own = tag.strip_suffix('/');
            let (name, attributes) = split_name(own.unwrap_or(tag));
            check_attributes(attributes);
            if own.is_none() {
                open.push(name);
            }
        }
        assert!(!open.is_empty() || rest.is_empty(), "there is one root");
    }
    assert!(rest.is_empty() && open.is_empty() && count > 1);
}

fn split_name(tag: &str) -> (&str, &str) {
    let end = tag.find(' ').unwrap_or(tag.len());
    let (name, attributes) = tag.split_at(end);
    assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase()), "{tag}");
    (name, attributes)
}

fn check_text(text: &str) {
    let is_fine = |c: char| !c.is_control() || c == '\n';
    assert!(text.chars().all(is_fine), "{text:?}");
    for (at, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;"];
        assert!(known.iter().any(|name| text[at..].starts_with(name)), "{text:?}");
    }
}

fn check_attributes(mut rest: &str) {
    let mut names = Vec::new();
    while !rest.is_empty() {
        let attribute = rest.strip_prefix(' ').expect("a space before each attribute");
        let (name, value) = attribute.split_once("=\"").expect("each attribute has a value");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{name}");
        assert!(!names.contains(&name), "{name} occurs twice");
        names.push(name);
        let (value, after) = value.split_once('"').expect("each value has an end");
        check_text(value);
        assert!(!value.contains('<'), "{value}");
        rest = after;
    }
}
