//! Where the figures come from: program, machine, stages, data and spec.

use super::{Block, NONE, Section, Table};
use crate::{RunReport, format};
use cryptodl_results::Manifest;

/// Enough to run it again.
pub(super) fn section(report: &RunReport) -> Option<Section> {
    let manifest = &report.manifest;
    let mut blocks = vec![Block::Facts(facts(manifest))];
    if !manifest.stages.is_empty() {
        let mut table = Table::new(
            "Stages and their keys. A stage whose key is in the store is not run again.",
            &["Stage", "Key", "From the store", "#Time"],
        );
        for stage in &manifest.stages {
            let reused = if stage.reused { "yes" } else { "no" };
            table.rows.push(vec![
                stage.name.clone(),
                short_hash(&stage.key),
                reused.to_owned(),
                format::seconds(stage.seconds),
            ]);
        }
        blocks.push(Block::Table(table));
    }
    if !manifest.data.is_empty() {
        let mut table = Table::new("Data.", &["File or generator", "Digest", "Algorithm"]);
        for digest in &manifest.data {
            table.rows.push(vec![
                digest.name.clone(),
                short_hash(&digest.digest),
                digest.algorithm.clone(),
            ]);
        }
        blocks.push(Block::Table(table));
    }
    blocks.push(Block::Source(
        "The resolved spec, spec.toml".to_owned(),
        "toml",
        report.spec_toml.clone(),
    ));
    Some(Section {
        title: "Provenance".to_owned(),
        blocks,
    })
}

fn facts(manifest: &Manifest) -> Vec<(String, String)> {
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let (program, machine) = (&manifest.program, &manifest.machine);
    let commit = program.git_commit.as_deref().map_or_else(
        || "unknown".to_owned(),
        |commit| {
            format!(
                "{}{}",
                short_hash(commit),
                if program.git_dirty == Some(true) {
                    ", with local changes"
                } else {
                    ""
                }
            )
        },
    );
    let pairs = |pairs: Vec<String>| {
        if pairs.is_empty() {
            NONE.to_owned()
        } else {
            pairs.join(", ")
        }
    };
    let mut facts = vec![
        fact("Program", format!("cryptodl {}", program.version)),
        fact("Commit", commit),
        fact(
            "Compiler",
            program
                .rustc
                .clone()
                .unwrap_or_else(|| "unknown".to_owned()),
        ),
        fact(
            "Crates",
            pairs(
                program
                    .crates
                    .iter()
                    .map(|(name, version)| format!("{name} {version}"))
                    .collect(),
            ),
        ),
        fact(
            "Processor",
            format!(
                "{}, {} logical CPUs",
                machine.cpu.as_deref().unwrap_or(&machine.arch),
                machine.logical_cpus
            ),
        ),
        fact("Instruction sets", pairs(machine.features.clone())),
    ];
    if let Some(memory) = machine.memory_bytes {
        facts.push(fact("Memory", format::bytes(memory as f64)));
    }
    facts.push(fact(
        "Threads",
        pairs(
            manifest
                .threads
                .iter()
                .map(|(name, count)| format!("{name}: {count}"))
                .collect(),
        ),
    ));
    facts.push(fact(
        "Seeds",
        pairs(
            manifest
                .seeds
                .iter()
                .map(|(name, seed)| format!("{name}: {seed}"))
                .collect(),
        ),
    ));
    facts.push(fact(
        "Started, finished (UTC)",
        format!(
            "{}, {}",
            readable(&manifest.started),
            readable(&manifest.finished)
        ),
    ));
    facts.push(fact("Command", manifest.command.join(" ")));
    facts
}

/// The first 12 digits: enough to find it in `manifest.json`.
fn short_hash(hash: &str) -> String {
    hash.chars().take(12).collect()
}

fn readable(time: &str) -> String {
    time.replace('T', " ").replace('Z', "")
}
