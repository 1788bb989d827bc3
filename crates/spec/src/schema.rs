//! The reference of specs and studies for editors (JSON Schema) and for people (Markdown).

use super::reference::{KeyKind, KeyReference, LAYERS, SectionReference, reference};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// The keys of a study: name, type, meaning. A test compares them with those that are read.
pub(super) const STUDY: [(&str, &str, &str); 13] = [
    (
        "name",
        "text",
        "What folders and reports are called; at most 32 letters, digits, `-` and `_`.",
    ),
    ("title", "text", "What is asked, for people."),
    (
        "question",
        "text",
        "What the report's page asks, where the title says something else.",
    ),
    (
        "answers",
        "`\"RQ2\"`, `\"RQ3\"` or `\"RQ4\"`",
        "The paper's question that the study answers in the report.",
    ),
    (
        "kind",
        "`\"runs\"` or `\"approximation\"`",
        "Experiments, or polynomials alone; `\"runs\"` unless it is given.",
    ),
    (
        "base",
        "text or section",
        "The spec that all points share: a path relative to the study, or the spec itself under `[base]`.",
    ),
    (
        "set",
        "section",
        "Keys of the spec that all points have, as `train.epochs = 3`.",
    ),
    (
        "axis",
        "list of sections",
        "`key` and `values`, or `keys` and rows of `values` that go together; the points are the product of all axes.",
    ),
    (
        "exclude",
        "list of sections",
        "Combinations of values that are left out.",
    ),
    ("seeds", "list of whole numbers", "An axis of `seed`."),
    (
        "part",
        "list of sections",
        "Parts with a `name` and `set`, `axis`, `exclude` and `seeds` of their own, one table for all.",
    ),
    (
        "chart",
        "list of sections",
        "Charts of the report: `part`, `title`, `x`, `y`, `series`; without any, every part has one.",
    ),
    (
        "approximation",
        "section",
        "What is fitted, in a study of that kind: `functions`, `methods`, `degrees`, `intervals`.",
    ),
];

/// A JSON Schema of specs and studies, for editors.
pub fn schema() -> Value {
    let sections = reference();
    let object = |name: &str| -> Map<String, Value> {
        let found = sections.iter().find(|section| section.name == name);
        let keys = found.map_or(&[][..], |section| &section.keys);
        keys.iter()
            .map(|key| (key.name.to_owned(), property(key)))
            .collect()
    };
    let table = |properties: Map<String, Value>| json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let mut spec = object("");
    for name in [
        "dataset",
        "activation",
        "network",
        "train",
        "encryption",
        "output",
    ] {
        let mut properties = object(name);
        match name {
            "network" => properties["layers"]["items"] = table(object(LAYERS)),
            "train" => {
                properties["augment"] = json!({
                    "description": properties["augment"]["description"],
                    "anyOf": [{ "type": "boolean" }, table(object("train.augment"))],
                });
            }
            _ => {}
        }
        spec.insert(name.to_owned(), table(properties));
    }
    let mut spec = table(spec);
    let mut base = spec.clone();
    spec["required"] = json!(["name", "dataset"]);
    base["required"] = json!(["dataset"]);
    let study: Map<String, Value> = STUDY
        .iter()
        .map(|(name, _, meaning)| {
            let mut property = match *name {
                "name" | "title" | "question" => json!({ "type": "string" }),
                "kind" => json!({ "enum": ["runs", "approximation"] }),
                "base" => json!({ "anyOf": [{ "type": "string" }, base] }),
                "answers" => json!({ "enum": ["RQ2", "RQ3", "RQ4"] }),
                "axis" | "exclude" | "part" | "chart" => {
                    json!({ "type": "array", "items": { "type": "object" } })
                }
                "seeds" => json!({ "type": "array", "items": { "type": "integer" } }),
                _ => json!({ "type": "object" }),
            };
            property["description"] = json!(meaning);
            ((*name).to_owned(), property)
        })
        .collect();
    let mut study = table(study);
    study["required"] = json!(["name"]);
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Specs and studies of cryptodl",
        "anyOf": [spec, study],
    })
}

fn property(key: &KeyReference) -> Value {
    let number = |text: &String| -> Value { serde_json::from_str(text).unwrap_or(Value::Null) };
    let ranged = |kind: &str, range: &Option<[String; 2]>| {
        let mut property = json!({ "type": kind });
        if let Some([low, high]) = range {
            property["minimum"] = number(low);
            property["maximum"] = number(high);
        }
        property
    };
    let auto = |number: Value| json!({ "anyOf": [{ "const": "auto" }, number] });
    let list = |items: Value| json!({ "type": "array", "items": items });
    let mut property = match &key.kind {
        KeyKind::Text => json!({ "type": "string" }),
        KeyKind::Names(names) => json!({ "enum": names }),
        KeyKind::Whole(range) => ranged("integer", range),
        KeyKind::Real(range) => ranged("number", range),
        KeyKind::Flag | KeyKind::FlagOrSection => json!({ "type": "boolean" }),
        KeyKind::FlagOr(names) => json!({ "anyOf": [{ "type": "boolean" }, { "enum": names }] }),
        KeyKind::AutoOrWhole(range) => auto(ranged("integer", range)),
        KeyKind::AutoOrReal(range) => auto(ranged("number", range)),
        KeyKind::Wholes => list(json!({ "type": "integer" })),
        KeyKind::Reals => list(json!({ "type": "number" })),
        KeyKind::Texts => list(json!({ "type": "string" })),
        KeyKind::Layers => list(json!({ "type": "object" })),
    };
    property["description"] = json!(key.meaning);
    let default = key
        .default
        .as_ref()
        .and_then(|default| serde_json::from_str(default).ok());
    if let Some(default) = default {
        property["default"] = default;
    }
    property
}

/// The reference page of specs and studies, Markdown.
pub fn reference_page() -> String {
    let mut page = String::from(
        "# Specs and studies\n\n\
         Made by the program from its own checks (a test keeps it current). `cryptodl init` writes a spec to start from, `cryptodl check` says\n\
         everything that is wrong with one, and `cryptodl schema` prints a JSON Schema for editors. Defaults and ranges are those of MNIST;\n\
         some depend on the images, on the optimiser or on the backend, and the spec.toml in a run's folder has every value that was used.\n",
    );
    for section in reference() {
        let _ = page.write_str(&table(&section));
    }
    page.push_str("\n## Studies\n\n`cryptodl sweep STUDY` runs every point of one.\n\n");
    page.push_str("| key | type | meaning |\n| --- | --- | --- |\n");
    for (name, kind, meaning) in STUDY {
        let _ = writeln!(page, "| `{name}` | {kind} | {meaning} |");
    }
    page
}

fn table(section: &SectionReference) -> String {
    let title = match section.name {
        "" => "Before the first section".to_owned(),
        LAYERS => "One of `network.layers`".to_owned(),
        name => format!("`[{name}]`"),
    };
    let mut text = format!(
        "\n## {title}\n\n| key | type and range | default | meaning |\n| --- | --- | --- | --- |\n"
    );
    for key in &section.keys {
        let default = key
            .default
            .as_ref()
            .map_or(String::new(), |default| format!("`{default}`"));
        let _ = writeln!(
            text,
            "| `{}` | {} | {default} | {} |",
            key.name,
            words(&key.kind),
            key.meaning
        );
    }
    text
}

fn words(kind: &KeyKind) -> String {
    let names = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| format!("`\"{name}\"`")).collect();
        names.join(", ")
    };
    let ranged = |kind: &str, range: &Option<[String; 2]>| match range {
        Some([low, high]) => format!("{kind}, {low} to {high}"),
        None => kind.to_owned(),
    };
    match kind {
        KeyKind::Text => "text".to_owned(),
        KeyKind::Names(all) => names(&all.iter().map(String::as_str).collect::<Vec<_>>()),
        KeyKind::Whole(range) => ranged("whole number", range),
        KeyKind::Real(range) => ranged("number", range),
        KeyKind::Flag => "`true` or `false`".to_owned(),
        KeyKind::FlagOr(all) => format!("`true`, `false`, {}", names(all)),
        KeyKind::AutoOrWhole(range) => ranged("`\"auto\"` or whole number", range),
        KeyKind::AutoOrReal(range) => ranged("`\"auto\"` or number", range),
        KeyKind::Wholes => "list of whole numbers".to_owned(),
        KeyKind::Reals => "list of numbers".to_owned(),
        KeyKind::Texts => "list of texts".to_owned(),
        KeyKind::Layers => "list of layers, see below".to_owned(),
        KeyKind::FlagOrSection => "`true`, `false` or a section".to_owned(),
    }
}
