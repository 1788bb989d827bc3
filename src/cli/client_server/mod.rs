//! Client and server as separate processes on files: `export`, `keygen`, `encrypt`, `evaluate`, `decrypt`.

mod names;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use clap::Args;

use super::exit::Failure;
use super::out;
use super::signals::Stop;
use crate::backends::{
    Decrypted, EncryptedError, KeyFiles, Side, UploadId, compiled_of_run, engine_of,
};
use crate::data::{self, DataDirs, ImageRange, Images, NamedImages};
use crate::pipeline::{PipelineError, image_range_of};
use crate::results::Evaluation;
use crate::spec::{DatasetName, DatasetSpec, ImageFiles, Shape};
use cryptodl_runtime::files::{self, Access, Alone, Draft, DraftFolder};
use cryptodl_runtime::interrupt;

const SECRET_KEY: &str = "secret.key";
const EVALUATION_KEY: &str = "evaluation.key";
/// Images that a message names.
const NAMED: usize = 10;

/// Arguments of `cryptodl export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// A finished run (a folder under results/runs/)
    run: PathBuf,
    /// Where client/ and server/ are written
    folder: PathBuf,
}

/// Arguments of `cryptodl keygen`.
#[derive(Debug, Args)]
pub struct KeygenArguments {
    /// The exported client folder
    #[arg(long, value_name = "DIR")]
    client: PathBuf,
    /// Where secret.key and, apart, server/evaluation.key are written
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace keys that are there: what was encrypted under them cannot be decrypted any more
    #[arg(long)]
    force: bool,
}

/// Arguments of `cryptodl encrypt`.
#[derive(Debug, Args)]
pub struct EncryptArguments {
    /// The exported client folder
    #[arg(long, value_name = "DIR")]
    client: PathBuf,
    /// The secret key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Images: PNG and JPEG files, folders of them, .npz, .csv or .parquet tables, IDX files (raw or .gz)
    #[arg(long, value_name = "PATH", num_args = 1.., required_unless_present = "dataset", conflicts_with = "dataset")]
    images: Vec<PathBuf>,
    /// The column of a table that is passed over
    #[arg(long, value_name = "COLUMN", default_value = ImageFiles::LABEL)]
    label: String,
    /// Take the test images of this data set instead
    #[arg(long, value_name = "NAME", value_parser = super::data::parse_name)]
    dataset: Option<DatasetName>,
    /// Seed of the built-in digits
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only these images, as in 0..100 [default: as many as fit]
    #[arg(long, value_name = "FROM..TO", value_parser = parse_range)]
    range: Option<(usize, usize)>,
    /// Encrypt images that are unlike those of the training, too: they can spoil every image of their batch
    #[arg(long)]
    allow_unusual: bool,
    /// The upload
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `cryptodl evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArguments {
    /// The exported server folder
    #[arg(long, value_name = "DIR")]
    server: PathBuf,
    /// The folder with the client's evaluation.key
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// The upload
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// The reply
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `cryptodl decrypt`.
#[derive(Debug, Args)]
pub struct DecryptArguments {
    /// The exported client folder
    #[arg(long, value_name = "DIR")]
    client: PathBuf,
    /// The secret key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The reply
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// How many images to print [default: those that were encrypted; where the key's folder does not know the upload, a full batch]
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// Where labels and logits are written (CSV) [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes a run's circuit as a client's and a server's folder.
pub fn export(arguments: &ExportArguments) -> Result<(), Failure> {
    let (run, folder) = (&arguments.run, &arguments.folder);
    if files::same(run, folder) {
        return Err(Failure::Usage(format!(
            "{} is the run itself, an input of this command",
            folder.display()
        )));
    }
    let images = image_range_of(run)?;
    let compiled = compiled_of_run(run).map_err(failed)?;
    compiled.export(images, folder).map_err(failed)?;
    out::line(format_args!(
        "wrote {0}/client and {0}/server",
        folder.display()
    ));
    Ok(())
}

/// Makes a fresh key pair.
pub fn keygen(arguments: &KeygenArguments) -> Result<(), Failure> {
    let engine = engine_of(Side::Client, &arguments.client).map_err(failed)?;
    let pair = PairPaths::in_folder(&arguments.out);
    pair.check_free(arguments.force)?;
    let keys = engine.generate_keys(&arguments.client).map_err(failed)?;
    pair.write(&keys, arguments.force)?;
    out::line(format_args!(
        "wrote {} (keep it: whoever has it can decrypt)",
        pair.secret.display()
    ));
    if let Some(bytes) = &keys.evaluation {
        out::line(format_args!(
            "wrote {} for the server, {}",
            pair.evaluation.display(),
            size(bytes.len() as u64)
        ));
    }
    Ok(())
}

/// Where the keys of a folder are.
struct PairPaths {
    folder: PathBuf,
    secret: PathBuf,
    evaluation: PathBuf,
}

impl PairPaths {
    fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            secret: folder.join(SECRET_KEY),
            evaluation: folder.join("server").join(EVALUATION_KEY),
        }
    }

    /// Refuses to go on where one of the keys is there, unless it may be replaced.
    fn check_free(&self, force: bool) -> Result<(), Failure> {
        let mut both = [&self.secret, &self.evaluation].into_iter();
        match both.find(|path| path.symlink_metadata().is_ok()) {
            Some(path) if !force => Err(Failure::Usage(format!(
                "{} is there already, and what was encrypted under it could not be decrypted any more\nhint: --force replaces both keys",
                path.display()
            ))),
            _ => Ok(()),
        }
    }

    /// Writes both keys or none.
    fn write(&self, keys: &KeyFiles, force: bool) -> Result<(), Failure> {
        let failed = |error| {
            let action = format!("write keys to {}", self.folder.display());
            Failure::io(action, error)
        };
        if !self.folder.exists() {
            return self.write_folder(keys).map_err(failed);
        }
        let drafts = self.drafts(keys).map_err(failed)?;
        // Both are on the disk: what is left is to change two names, which no other `keygen` does at the same time.
        let _alone = Alone::wait(&self.folder);
        self.check_free(force)?;
        // The secret last: where it is, the server's key is, too.
        let published = drafts.into_iter().try_for_each(Draft::publish);
        published.map_err(failed)
    }

    /// A folder that was not there: one change of a name makes both keys appear.
    fn write_folder(&self, keys: &KeyFiles) -> io::Result<()> {
        let parent = match self.folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent)?;
        let name = self.folder.file_name().unwrap_or_default();
        let draft = DraftFolder::new(parent, &name.to_string_lossy(), Access::Umask)?;
        let pair = Self::in_folder(draft.path());
        fs::create_dir(draft.path().join("server"))?;
        files::write_private(&pair.secret, &keys.secret)?;
        if let Some(bytes) = &keys.evaluation {
            files::write_whole(&pair.evaluation, bytes)?;
        }
        draft.publish(&self.folder)
    }

    /// Both keys on the disk under names that they will not keep.
    fn drafts(&self, keys: &KeyFiles) -> io::Result<Vec<Draft>> {
        fs::create_dir_all(self.folder.join("server"))?;
        let draft = |path: &Path, bytes: &[u8], access| {
            let mut draft = Draft::new(path, access)?;
            draft.write(bytes)?;
            draft.save()?;
            io::Result::Ok(draft)
        };
        let evaluation = keys
            .evaluation
            .iter()
            .map(|bytes| draft(&self.evaluation, bytes, Access::Umask));
        let mut drafts = evaluation.collect::<io::Result<Vec<Draft>>>()?;
        drafts.push(draft(&self.secret, &keys.secret, Access::Owner)?);
        Ok(drafts)
    }
}

/// Encrypts images into one upload.
pub fn encrypt(arguments: &EncryptArguments, data_dir: Option<&Path>) -> Result<(), Failure> {
    let engine = engine_of(Side::Client, &arguments.client).map_err(failed)?;
    let mut inputs: Vec<&Path> = vec![&arguments.client, &arguments.key];
    inputs.extend(arguments.images.iter().map(PathBuf::as_path));
    keep(&inputs, &arguments.out)?;
    let client = engine
        .open_client(&arguments.client, &arguments.key)
        .map_err(failed)?;
    let (NamedImages { images, names }, from, to) =
        arguments.images(data_dir, client.input(), client.capacity())?;
    if !arguments.allow_unusual {
        check_images(&images, &names, from..to, client.image_range())?;
    }
    let bytes = client.encrypt(&images, from, to).map_err(failed)?;
    // First the names: an upload without them could not be told from one of an earlier version.
    if let Some(upload) = UploadId::of(&bytes) {
        names::remember(&arguments.key, upload, &names[from..to])?;
    }
    write(&arguments.out, &bytes)?;
    out::line(format_args!(
        "wrote {}: {}, {}",
        arguments.out.display(),
        counted(to - from, "image", "images"),
        size(bytes.len() as u64)
    ));
    Ok(())
}

/// Refuses images that the plan of the circuit was not made for.
fn check_images(
    images: &Images,
    names: &[String],
    asked: std::ops::Range<usize>,
    range: ImageRange,
) -> Result<(), Failure> {
    let strange: Vec<(usize, String)> = asked
        .filter_map(|index| Some((index, range.objection(images.image(index))?)))
        .collect();
    let Some((first, objection)) = strange.first() else {
        return Ok(());
    };
    let numbers = strange.iter().map(|(index, _)| *index);
    Err(Failure::Usage(format!(
        "{} unlike those that the network was trained on: {} (image {first}, {}: {objection}); values past what the circuit was planned for can spoil every image of the upload\nhint: leave them out by --range, or encrypt them with --allow-unusual",
        counted(strange.len(), "image is", "images are"),
        listed(numbers),
        names.get(*first).map_or("without a name", String::as_str),
    )))
}

/// Evaluates one upload.
pub fn evaluate(arguments: &EvaluateArguments, stop: &Stop) -> Result<(), Failure> {
    let engine = engine_of(Side::Server, &arguments.server).map_err(failed)?;
    let key = arguments.keys.join(EVALUATION_KEY);
    keep(&[&arguments.server, &key, &arguments.input], &arguments.out)?;
    let server = engine
        .open_server(&arguments.server, &key)
        .map_err(failed)?;
    let upload = read(&arguments.input)?;
    let start = std::time::Instant::now();
    let finishing = interrupt::finishing("the current layer on ciphertexts");
    let reply = server
        .answer(&arguments.input, upload, &|| !stop.load(Ordering::Relaxed))
        .map_err(failed)?;
    drop(finishing);
    let seconds = start.elapsed().as_secs_f64();
    write(&arguments.out, &reply)?;
    out::line(format_args!(
        "wrote {}: {}, evaluated in {seconds:.2} s",
        arguments.out.display(),
        size(reply.len() as u64)
    ));
    Ok(())
}

/// Decrypts one reply.
pub fn decrypt(arguments: &DecryptArguments) -> Result<(), Failure> {
    let engine = engine_of(Side::Client, &arguments.client).map_err(failed)?;
    if let Some(out) = &arguments.out {
        keep(&[&arguments.client, &arguments.key, &arguments.input], out)?;
    }
    let client = engine
        .open_client(&arguments.client, &arguments.key)
        .map_err(failed)?;
    let reply = read(&arguments.input)?;
    let names = match UploadId::of(&reply) {
        Some(upload) => names::recall(&arguments.key, upload)?,
        None => None,
    };
    let encrypted = names.as_ref().map(Vec::len);
    if let (Some(count), Some(most)) = (arguments.count, encrypted)
        && count > most
    {
        return Err(failed(EncryptedError::Count { count, most }));
    }
    let count = arguments.count.or(encrypted);
    let Decrypted { logits, verdict } = client
        .decrypt(&arguments.input, &reply, count)
        .map_err(failed)?;
    let evaluation = Evaluation {
        classes: client.classes(),
        logits,
    };
    let count = evaluation.logits.len() / evaluation.classes;
    if verdict.is_spoilt() {
        let outside = match verdict.implausible.len() {
            0 => String::new(),
            _ => format!(
                "; the logits of {} are out of all range",
                listed(verdict.implausible.iter().copied())
            ),
        };
        return Err(Failure::Implausible(format!(
            "{}: the batch is spoilt, none of its {count} images can be told: slots without an image are off by {:.3e} times what noise explains{outside}\nhint: one image with values past what the circuit was planned for does this to all; encrypt without it, or each in a batch of its own",
            arguments.input.display(),
            verdict.idle_error.unwrap_or(f64::NAN)
        )));
    }
    let table = table(&evaluation, names.as_deref(), &verdict.implausible);
    match &arguments.out {
        Some(path) => files::write_private(path, table.as_bytes())
            .map_err(|error| Failure::io(format!("write {}", path.display()), error))?,
        None => out::print_raw(|out| out.write_all(table.as_bytes())),
    }
    match verdict.implausible.len() {
        0 => Ok(()),
        strange => Err(Failure::Implausible(format!(
            "{}: {} implausible logits and no label: {}; no image like those of the training has such",
            arguments.input.display(),
            counted(strange, "image has", "images have"),
            listed(verdict.implausible.iter().copied())
        ))),
    }
}

/// Labels and logits, and what the images are called where that is known; nothing but number and name of an image whose logits are
/// implausible.
fn table(evaluation: &Evaluation, names: Option<&[String]>, implausible: &[usize]) -> String {
    let mut table = String::from("image,label");
    for class in 0..evaluation.classes {
        table.push_str(&format!(",logit_{class}"));
    }
    if names.is_some() {
        table.push_str(",name");
    }
    let rows = evaluation.logits.chunks(evaluation.classes);
    for (image, (label, row)) in evaluation.predicted().iter().zip(rows).enumerate() {
        if implausible.binary_search(&image).is_ok() {
            table.push_str(&format!("\n{image}{}", ",".repeat(1 + row.len())));
        } else {
            table.push_str(&format!("\n{image},{label}"));
            for value in row {
                table.push_str(&format!(",{value}"));
            }
        }
        if let Some(names) = names {
            let name = names.get(image).map_or("", String::as_str);
            table.push_str(&format!(",{}", names::cell(name)));
        }
    }
    table.push('\n');
    table
}

impl EncryptArguments {
    /// The images that were asked for, and which of them: at most `most`.
    fn images(
        &self,
        data_dir: Option<&Path>,
        input: Shape,
        most: usize,
    ) -> Result<(NamedImages, usize, usize), Failure> {
        let named = match self.dataset {
            Some(name) => {
                let spec = DatasetSpec::whole(name);
                let dataset = data::load(&spec, self.seed, &DataDirs::resolve(data_dir));
                let images = dataset.map_err(PipelineError::from)?.test;
                let names = (0..images.len()).map(|index| format!("{}:{index}", name.as_str()));
                NamedImages {
                    names: names.collect(),
                    images,
                }
            }
            None => data::read_unlabelled(&self.images, input, &self.label)
                .map_err(PipelineError::from)?,
        };
        let images = &named.images;
        let (from, to) = self.range.unwrap_or((0, images.len().min(most)));
        if to > images.len() || to - from > most {
            return Err(Failure::Usage(format!(
                "images {from}..{to} were asked for: there are {}, and one upload holds {most}\nhint: give `--range FROM..TO` and make several uploads",
                images.len()
            )));
        }
        Ok((named, from, to))
    }
}

/// Refuses an output that is one of the inputs, or a file in one of them that is a folder.
fn keep(inputs: &[&Path], out: &Path) -> Result<(), Failure> {
    for input in inputs {
        let inside = fs::read_dir(input).into_iter().flatten().flatten();
        let mut all = inside
            .map(|entry| entry.path())
            .chain([input.to_path_buf()]);
        if let Some(input) = all.find(|input| files::same(input, out)) {
            return Err(Failure::Usage(format!(
                "--out {} is {}, an input of this command, which it would replace",
                out.display(),
                input.display()
            )));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::io(format!("read {}", path.display()), error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    files::write_whole(path, bytes)
        .map_err(|error| Failure::io(format!("write {}", path.display()), error))
}

/// `3, 7 and 12 more`.
fn listed(numbers: impl ExactSizeIterator<Item = usize>) -> String {
    let more = numbers.len().saturating_sub(NAMED);
    let named: Vec<String> = numbers
        .take(NAMED)
        .map(|number| number.to_string())
        .collect();
    match more {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// `96.3 MB`, `6.3 kB`.
fn size(bytes: u64) -> String {
    match bytes as f64 {
        small if small < 1e6 => format!("{:.1} kB", small / 1e3),
        large => format!("{:.1} MB", large / 1e6),
    }
}

fn failed(error: EncryptedError) -> Failure {
    PipelineError::from(error).into()
}

fn parse_range(text: &str) -> Result<(usize, usize), String> {
    let wrong = || format!("`{text}` is not a range like 0..100");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let (from, to) = (
        from.parse().map_err(|_| wrong())?,
        to.parse().map_err(|_| wrong())?,
    );
    if from < to {
        Ok((from, to))
    } else {
        Err(format!("the range `{text}` is empty"))
    }
}
