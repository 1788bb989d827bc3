//! The official files: names, lengths, digests and mirrors; and what is known about each data set.
//!
//! The digests of the MNIST and CIFAR-10 files were computed from files whose MD5 is the published one. Those of Fashion-MNIST are
//! the ones that several public loaders carry next to the published MD5. `cryptodl` uses SHA-256 alone: MD5 stops no forger.

use cryptodl_spec::DatasetName;

/// A file as its publisher made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfficialFile {
    /// Path below the data set's folder, with `/` between its parts.
    pub name: &'static str,
    /// Length.
    pub bytes: u64,
    /// SHA-256 of the whole file.
    pub sha256: [u8; 32],
}

/// A part of a data set, and the forms in which it may lie on disk: each form is a list of files that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// What is downloaded.
    pub packed: &'static [OfficialFile],
    /// The same content unpacked. Its digests stand for the content, whichever form is on disk.
    pub unpacked: &'static [OfficialFile],
}

impl Part {
    /// Both forms, the one that is quicker to read first.
    pub fn forms(&self) -> [&'static [OfficialFile]; 2] {
        [self.unpacked, self.packed]
    }
}

/// The files of one data set.
#[derive(Clone, Copy, Debug)]
pub struct OfficialSet {
    /// Which one.
    pub dataset: DatasetName,
    /// Training images, training labels, test images, test labels; or, for CIFAR-10, one part that holds everything.
    pub parts: &'static [Part],
    /// Base addresses of the known public mirrors; a file lies at `<base>/<name>`.
    pub mirrors: &'static [&'static str],
}

/// The official files of a data set; `None` for [`DatasetName::Digits`], which has none.
pub const fn official_set(dataset: DatasetName) -> Option<&'static OfficialSet> {
    match dataset {
        DatasetName::Mnist => Some(&MNIST),
        DatasetName::FashionMnist => Some(&FASHION_MNIST),
        DatasetName::Cifar10 => Some(&CIFAR10),
        DatasetName::Digits => None,
    }
}

const MNIST: OfficialSet = OfficialSet {
    dataset: DatasetName::Mnist,
    parts: &[
        Part {
            packed: &[file(
                "train-images-idx3-ubyte.gz",
                9_912_422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            )],
            unpacked: &[file(
                "train-images-idx3-ubyte",
                47_040_016,
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            )],
        },
        Part {
            packed: &[file(
                "train-labels-idx1-ubyte.gz",
                28_881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            )],
            unpacked: &[file(
                "train-labels-idx1-ubyte",
                60_008,
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            )],
        },
        Part {
            packed: &[file(
                "t10k-images-idx3-ubyte.gz",
                1_648_877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            )],
            unpacked: &[file(
                "t10k-images-idx3-ubyte",
                7_840_016,
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            )],
        },
        Part {
            packed: &[file(
                "t10k-labels-idx1-ubyte.gz",
                4_542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            )],
            unpacked: &[file(
                "t10k-labels-idx1-ubyte",
                10_008,
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            )],
        },
    ],
    mirrors: &[
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
    ],
};

const FASHION_MNIST: OfficialSet = OfficialSet {
    dataset: DatasetName::FashionMnist,
    parts: &[
        Part {
            packed: &[file(
                "train-images-idx3-ubyte.gz",
                26_421_880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            )],
            unpacked: &[file(
                "train-images-idx3-ubyte",
                47_040_016,
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            )],
        },
        Part {
            packed: &[file(
                "train-labels-idx1-ubyte.gz",
                29_515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            )],
            unpacked: &[file(
                "train-labels-idx1-ubyte",
                60_008,
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            )],
        },
        Part {
            packed: &[file(
                "t10k-images-idx3-ubyte.gz",
                4_422_102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            )],
            unpacked: &[file(
                "t10k-images-idx3-ubyte",
                7_840_016,
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            )],
        },
        Part {
            packed: &[file(
                "t10k-labels-idx1-ubyte.gz",
                5_148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            )],
            unpacked: &[file(
                "t10k-labels-idx1-ubyte",
                10_008,
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            )],
        },
    ],
    // The publisher's own address has no TLS; the digests do not need it.
    mirrors: &[
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    ],
};

const CIFAR10: OfficialSet = OfficialSet {
    dataset: DatasetName::Cifar10,
    parts: &[Part {
        packed: &[file(
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        )],
        unpacked: &[
            batch(
                "cifar-10-batches-bin/data_batch_1.bin",
                "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            ),
            batch(
                "cifar-10-batches-bin/data_batch_2.bin",
                "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            ),
            batch(
                "cifar-10-batches-bin/data_batch_3.bin",
                "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            ),
            batch(
                "cifar-10-batches-bin/data_batch_4.bin",
                "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            ),
            batch(
                "cifar-10-batches-bin/data_batch_5.bin",
                "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
            ),
            batch(
                "cifar-10-batches-bin/test_batch.bin",
                "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
            ),
        ],
    }],
    mirrors: &["https://www.cs.toronto.edu/~kriz"],
};

const fn file(name: &'static str, bytes: u64, sha256: &str) -> OfficialFile {
    OfficialFile {
        name,
        bytes,
        sha256: unhex(sha256),
    }
}

const fn batch(name: &'static str, sha256: &str) -> OfficialFile {
    file(name, 30_730_000, sha256)
}

/// Decodes 64 hexadecimal digits; a wrong literal stops the compiler.
const fn unhex(text: &str) -> [u8; 32] {
    const fn digit(c: u8) -> u8 {
        match c {
            b'0'..=b'9' => c - b'0',
            b'a'..=b'f' => c - b'a' + 10,
            _ => panic!("not a hexadecimal digit"),
        }
    }
    let text = text.as_bytes();
    assert!(
        text.len() == 64,
        "a SHA-256 digest has 64 hexadecimal digits"
    );
    let mut bytes = [0; 32];
    let mut i = 0;
    while i < 32 {
        bytes[i] = 16 * digit(text[2 * i]) + digit(text[2 * i + 1]);
        i += 1;
    }
    bytes
}

/// The names of the classes, in the order of their numbers.
pub const fn class_names(dataset: DatasetName) -> [&'static str; 10] {
    match dataset {
        DatasetName::Mnist | DatasetName::Digits => {
            ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
        }
        // The publisher's README.
        DatasetName::FashionMnist => [
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ],
        // `batches.meta.txt` of the official archive.
        DatasetName::Cifar10 => [
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ],
    }
}

/// Mean and standard deviation of `byte / 255` over all training pixels, per channel.
///
/// The usual figures, rounded to four decimals; a test computes those of MNIST and CIFAR-10 anew where the files are at hand.
/// Those of the digits were measured on the 20,000 training images of seed 7 and stay fixed whatever the seed.
pub const fn normalisation(dataset: DatasetName) -> (&'static [f32], &'static [f32]) {
    match dataset {
        DatasetName::Mnist => (&[0.1307], &[0.3081]),
        DatasetName::FashionMnist => (&[0.2860], &[0.3530]),
        DatasetName::Cifar10 => (&[0.4914, 0.4822, 0.4465], &[0.2470, 0.2435, 0.2616]),
        DatasetName::Digits => (&[0.1311], &[0.2521]),
    }
}
