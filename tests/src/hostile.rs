//! What no honest client sends.

/// Values that a field of a request may be given, as JSON: of other types, out of range, too long, too deep, or chosen to
/// be taken for something else by somebody behind.
pub fn values() -> Vec<String> {
    let mut values: Vec<String> = [
        "null",
        "true",
        "-1",
        "0",
        "1.5",
        "1e400",
        "9223372036854775808",
        "-9223372036854775809",
        "9007199254740992",
        "\"\"",
        "\"1\"",
        "\"\\u0000\"",
        "\"1; DROP TABLE users\"",
        "\"\\ud83d\\ude00\"",
        "[]",
        "[[]]",
        "[null]",
        "{}",
        "{\"$gt\":0}",
        "-1e400",
        "9007199254740991",
        "536870911",
        "[1]",
        "\" \"",
        "\"user1 \"",
        "\"user%\"",
        "\"user1\\u0000\"",
        "\"\\n\\r\"",
        "\"\\ud83d\\ude00 사용자 Ünï\"",
        "\"\\ud800\"",
        "[[[]]]",
        "-0.0",
        "1e300",
    ]
    .map(str::to_owned)
    .into();
    values.push(format!("\"{}\"", "a".repeat(10_000)));
    values.push(format!("\"{}\"", "가".repeat(10_000)));
    values.push("[".repeat(5000) + &"]".repeat(5000));
    values
}
