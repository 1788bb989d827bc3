//! Where the figures of a run come from: program, machine, stages, data and spec.

use cryptodl_results::Manifest;

use super::super::RunReport;
use crate::page::{Block, NONE, Section, Table, fact};
use crate::{format, words};

/// Where the figures come from: enough to run it again.
pub(super) fn provenance(report: &RunReport) -> Option<Section> {
    let manifest = &report.manifest;
    let mut stages = Table::new(
        "Stages and their keys. A stage whose key is in the store is not run again; the commit is that of the program that computed it.",
        &["Stage", "Key", "From the store", "Commit", "#Time"],
    );
    for stage in &manifest.stages {
        let commit = match (&stage.commit, stage.reused) {
            (Some(commit), _) => words::commit(Some(commit), stage.dirty),
            (None, false) => words::commit(
                manifest.program.git_commit.as_deref(),
                manifest.program.git_dirty,
            ),
            (None, true) => "not recorded".to_owned(),
        };
        let reused = if stage.reused { "yes" } else { "no" };
        stages.push([
            stage.name.clone(),
            short_hash(&stage.key),
            reused.to_owned(),
            commit,
            format::seconds(stage.seconds),
        ]);
    }
    let mut data = Table::new("Data.", &["File or generator", "Digest", "Algorithm"]);
    for digest in &manifest.data {
        data.push([
            digest.name.clone(),
            short_hash(&digest.digest),
            digest.algorithm.clone(),
        ]);
    }
    let mut blocks = vec![Block::Facts(facts(manifest))];
    blocks.extend([stages.block(), data.block()].into_iter().flatten());
    blocks.push(Block::Folded(
        "The resolved spec, spec.toml".to_owned(),
        vec![Block::Source("toml", report.spec_toml.clone())],
    ));
    Some(Section {
        title: "Provenance".to_owned(),
        blocks,
    })
}

pub(super) fn facts(manifest: &Manifest) -> Vec<(String, String)> {
    let (program, machine) = (&manifest.program, &manifest.machine);
    let pairs = |pairs: Vec<String>| {
        if pairs.is_empty() {
            NONE.to_owned()
        } else {
            pairs.join(", ")
        }
    };
    let time = |time: &str| time.replace('T', " ").replace('Z', "");
    let mut facts = vec![
        fact("Program", format!("cryptodl {}", program.version)),
        fact(
            "Commit",
            words::commit(program.git_commit.as_deref(), program.git_dirty),
        ),
        fact("Compiler", program.rustc.as_deref().unwrap_or("unknown")),
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
    facts.extend(
        machine
            .memory_bytes
            .map(|memory| fact("Memory", format::bytes(memory as f64))),
    );
    facts.extend([
        fact(
            "Threads",
            pairs(
                manifest
                    .threads
                    .iter()
                    .map(|(name, count)| format!("{name}: {count}"))
                    .collect(),
            ),
        ),
        fact(
            "Seeds",
            pairs(
                manifest
                    .seeds
                    .iter()
                    .map(|(name, seed)| format!("{name}: {seed}"))
                    .collect(),
            ),
        ),
        fact(
            "Started, finished (UTC)",
            format!("{}, {}", time(&manifest.started), time(&manifest.finished)),
        ),
        fact("Command", manifest.command.join(" ")),
    ]);
    facts.extend(manifest.weights.as_ref().map(|weights| {
        fact(
            "Weights",
            format!("{} ({})", weights.file, short_hash(&weights.blake3)),
        )
    }));
    facts
}

/// The first 12 digits: enough to find it in `manifest.json`.
fn short_hash(hash: &str) -> String {
    hash.chars().take(12).collect()
}
