//! How each fault reads. A changed snapshot is a changed message: look at it as the person who made the mistake.

use super::gallery;

#[test]
fn text() {
    gallery(
        "text",
        &[
            ("no value", "[train]\nepochs =\n", &[]),
            ("unclosed string", "[activation]\nfunction = \"relu\n", &[]),
            ("unclosed section", "[train\nepochs = 3\n", &[]),
            (
                "two equal keys",
                "[train]\nepochs = 3\nbatch = 64\nepochs = 4\n",
                &[],
            ),
            (
                "two equal sections",
                "[train]\nepochs = 3\n[output]\n[train]\nbatch = 64\n",
                &[],
            ),
            ("bare word", "[activation]\nfunction = relu\n", &[]),
            ("whole: JSON", "{ \"name\": \"a\" }", &[]),
        ],
    );
}

#[test]
fn keys() {
    gallery(
        "keys",
        &[
            ("whole: empty", "", &[]),
            ("no name", "[dataset]\nname = \"mnist\"\n", &[]),
            ("whole: no dataset", "name = \"a\"\nseed = 3\n", &[]),
            (
                "no dataset name",
                "name = \"a\"\n\n[dataset]\ntrain = 100\n",
                &[],
            ),
            ("unknown section", "[trian]\nepochs = 3\n", &[]),
            ("unknown key", "[train]\nepoch = 3\n", &[]),
            ("key of another section", "[network]\nepochs = 3\n", &[]),
            ("key outside its section", "epochs = 3\n", &[]),
            ("key like no other", "[train]\ncolour = \"red\"\n", &[]),
            ("key of augment", "[train.augment]\nrotations = 3\n", &[]),
            (
                "key of a layer",
                "[network]\nlayers = [\n    { type = \"conv\", channels = 8, kernal = 5 },\n]\n",
                &[],
            ),
            (
                "key of another layer",
                "[network]\nlayers = [\n    { type = \"dense\", units = 64, stride = 2 },\n]\n",
                &[],
            ),
            (
                "no layer type",
                "[network]\nlayers = [{ channels = 8 }]\n",
                &[],
            ),
            (
                "no layer size",
                "[network]\nlayers = [{ type = \"conv\", channels = 8 }]\n",
                &[],
            ),
        ],
    );
}

#[test]
fn types() {
    gallery(
        "types",
        &[
            ("text for a number", "[train]\nepochs = \"three\"\n", &[]),
            (
                "fraction for a whole number",
                "[train]\nepochs = 3.5\n",
                &[],
            ),
            ("number for text", "[activation]\nfunction = 3\n", &[]),
            (
                "fraction for a whole number or auto",
                "[encryption]\nscale_bits = 21.5\n",
                &[],
            ),
            (
                "switch for a number or auto",
                "[encryption]\nmemory_gib = true\n",
                &[],
            ),
            ("text for a switch", "[output]\ncharts = \"yes\"\n", &[]),
            ("number for a list", "[activation]\ninterval = 4.0\n", &[]),
            (
                "text in a list",
                "[activation]\ninterval = [-4.0, \"four\"]\n",
                &[],
            ),
            ("value for a section", "train = 3\n", &[]),
            ("list for a section", "[[train]]\nepochs = 3\n", &[]),
            ("text for augment", "[train]\naugment = \"none\"\n", &[]),
            ("text for a layer", "[network]\nlayers = [\"conv\"]\n", &[]),
            (
                "list for a layer",
                "[network]\nlayers = [[\"conv\", 8]]\n",
                &[],
            ),
            ("number for trainable", "[activation]\ntrainable = 1\n", &[]),
            (
                "number beyond all types",
                "[train]\nepochs = 99999999999999999999999999999999999999999999999999\n",
                &[],
            ),
        ],
    );
}

#[test]
fn names() {
    gallery(
        "names",
        &[
            (
                "name with a slash",
                "name = \"runs/a\"\ndataset.name = \"mnist\"\n",
                &[],
            ),
            (
                "name with a letter of another script",
                "name = \"größe\"\ndataset.name = \"mnist\"\n",
                &[],
            ),
            ("empty name", "name = \"\"\ndataset.name = \"mnist\"\n", &[]),
            (
                "long name",
                "name = \"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg\"\ndataset.name = \"mnist\"\n",
                &[],
            ),
            ("dataset", "name = \"a\"\ndataset.name = \"minst\"\n", &[]),
            (
                "dataset like no other",
                "name = \"a\"\ndataset.name = \"imagenet\"\n",
                &[],
            ),
            ("function", "[activation]\nfunction = \"ReLu\"\n", &[]),
            ("method", "[activation]\nmethod = \"chebychev\"\n", &[]),
            ("trainable", "[activation]\ntrainable = \"channels\"\n", &[]),
            ("optimizer", "[train]\noptimizer = \"adamv\"\n", &[]),
            ("backend", "[encryption]\nbackend = \"cks\"\n", &[]),
            (
                "ring",
                "[encryption]\nring = \"conjugate_invariant\"\n",
                &[],
            ),
            (
                "relinearization",
                "[encryption]\nrelinearization = \"none\"\n",
                &[],
            ),
            ("no auto", "[encryption]\nweight_bits = \"atuo\"\n", &[]),
            ("no number", "[encryption]\nmemory_gib = \"all\"\n", &[]),
            (
                "layer type",
                "[network]\nlayers = [{ type = \"avgpool\", size = 2 }]\n",
                &[],
            ),
        ],
    );
}

#[test]
fn ranges() {
    gallery(
        "ranges",
        &[
            ("negative seed", "seed = -1\n", &[]),
            ("no epochs", "[train]\nepochs = 0\n", &[]),
            ("no batch", "[train]\nbatch = 0\n", &[]),
            ("NaN", "[train]\nlearning_rate = nan\n", &[]),
            ("infinite", "[train]\nweight_decay = inf\n", &[]),
            (
                "infinite coefficient",
                "[activation]\ncoefficients = [0.0, 0.5, -inf]\n",
                &[],
            ),
            (
                "a float beyond f64",
                "[train]\nlearning_rate = 1e999\n",
                &[],
            ),
            ("negative rate", "[train]\nlearning_rate = -0.1\n", &[]),
            ("large warmup", "[train]\nwarmup = 1.5\n", &[]),
            (
                "validation takes all",
                "name = \"a\"\n[dataset]\nname = \"digits\"\ntrain = 1000\n[train]\nvalidation = 1000\n",
                &[],
            ),
            (
                "batch of more than is left",
                "name = \"a\"\n[dataset]\nname = \"digits\"\ntrain = 1000\n[train]\nbatch = 512\nvalidation = 600\n",
                &[],
            ),
            (
                "more images than there are",
                "name = \"a\"\n[dataset]\nname = \"mnist\"\ntrain = 70000\n",
                &[],
            ),
            (
                "no test images",
                "name = \"a\"\n[dataset]\nname = \"mnist\"\ntest = 0\n",
                &[],
            ),
            (
                "more encrypted than test images",
                "name = \"a\"\n[dataset]\nname = \"mnist\"\ntest = 500\n[encryption]\nimages = 1000\n",
                &[],
            ),
            ("security", "[encryption]\nsecurity_bits = 80\n", &[]),
            ("weight bits", "[encryption]\nweight_bits = 16\n", &[]),
            ("scale bits", "[encryption]\nscale_bits = 40\n", &[]),
            (
                "precision bits",
                "[encryption]\nprecision_bits = -1.5\n",
                &[],
            ),
            ("memory", "[encryption]\nmemory_gib = 0\n", &[]),
            ("rotation", "[train.augment]\nrotation = 400\n", &[]),
        ],
    );
}

#[test]
fn activations() {
    gallery(
        "activations",
        &[
            ("degree 0", "[activation]\ndegree = 0\n", &[]),
            ("degree 1", "[activation]\ndegree = 1\n", &[]),
            ("degree 40", "[activation]\ndegree = 40\n", &[]),
            (
                "degree 12, default backend",
                "[activation]\ndegree = 12\n",
                &[],
            ),
            (
                "degree 12, encrypted",
                "[activation]\ndegree = 12\n\n[encryption]\nbackend = \"ckks\"\n",
                &[],
            ),
            (
                "reversed interval",
                "[activation]\ninterval = [4.0, -4.0]\n",
                &[],
            ),
            (
                "empty interval",
                "[activation]\ninterval = [1.0, 1.0]\n",
                &[],
            ),
            (
                "three ends",
                "[activation]\ninterval = [-1.0, 0.0, 1.0]\n",
                &[],
            ),
            (
                "NaN in an interval",
                "[activation]\ninterval = [nan, 1.0]\n",
                &[],
            ),
            (
                "huge interval",
                "[activation]\ninterval = [-1.0, 1e300]\n",
                &[],
            ),
            ("no coefficients", "[activation]\ncoefficients = []\n", &[]),
            (
                "leading zero",
                "[activation]\ncoefficients = [0.0, 0.5, 0.0]\n",
                &[],
            ),
            (
                "all zero",
                "[activation]\ncoefficients = [0, 0, 0, 0]\n",
                &[],
            ),
            (
                "huge coefficient",
                "[activation]\ncoefficients = [0.0, 0.5, 1e100]\n",
                &[],
            ),
            (
                "degree against coefficients",
                "[activation]\ndegree = 3\ncoefficients = [0.0, 0.5, 0.2]\n",
                &[],
            ),
            (
                "method and coefficients",
                "[activation]\nmethod = \"taylor\"\ncoefficients = [0.0, 0.5, 0.2]\n",
                &[],
            ),
        ],
    );
}

#[test]
fn networks() {
    let deep = format!(
        "[activation]\ndegree = 9\n\n[network]\nlayers = [\n{}]\n",
        "    { type = \"dense\", units = 8 }, { type = \"activation\" },\n".repeat(20)
    );
    gallery(
        "networks",
        &[
            ("depth 0", "[network]\ndepth = 0\n", &[]),
            (
                "depth and layers",
                "[network]\ndepth = 2\nlayers = [{ type = \"activation\" }]\n",
                &[],
            ),
            ("no layers", "[network]\nlayers = []\n", &[]),
            (
                "kernel larger than its input",
                "[network]\nlayers = [\n    { type = \"conv\", channels = 8, kernel = 5, stride = 6 },\n    { type = \"activation\" },\n    { type = \"conv\", channels = 8, kernel = 7, padding = 1 },\n]\n",
                &[],
            ),
            (
                "window larger than its input",
                "[network]\nlayers = [{ type = \"avg-pool\", size = 30 }]\n",
                &[],
            ),
            (
                "stride 0",
                "[network]\nlayers = [{ type = \"conv\", channels = 8, kernel = 5, stride = 0 }]\n",
                &[],
            ),
            (
                "much padding",
                "[network]\nlayers = [{ type = \"conv\", channels = 8, kernel = 3, padding = 3 }]\n",
                &[],
            ),
            (
                "no channels",
                "[network]\nlayers = [{ type = \"conv\", channels = 0, kernel = 5 }]\n",
                &[],
            ),
            (
                "huge dense layer",
                "[network]\nlayers = [{ type = \"dense\", units = 9223372036854775807 }]\n",
                &[],
            ),
            (
                "too many weights",
                "[network]\nlayers = [\n    { type = \"dense\", units = 65536 },\n    { type = \"dense\", units = 65536 },\n]\n",
                &[],
            ),
            (
                "feature map too large",
                "[network]\nlayers = [{ type = \"conv\", channels = 4096, kernel = 64, padding = 63 }]\n",
                &[],
            ),
            (
                "max-pool",
                "[network]\nlayers = [\n    { type = \"conv\", channels = 8, kernel = 5 },\n    { type = \"max-pool\", size = 2 },\n]\n",
                &[],
            ),
            (
                "max-pool in the clear",
                "[network]\nlayers = [\n    { type = \"conv\", channels = 8, kernel = 5 },\n    { type = \"max-pool\", size = 2 },\n]\n",
                &["encryption.backend=clear"],
            ),
            (
                "activation first",
                "[network]\nlayers = [{ type = \"activation\" }]\n",
                &[],
            ),
            (
                "two activations",
                "[network]\nlayers = [\n    { type = \"dense\", units = 8 },\n    { type = \"activation\" },\n    { type = \"batch-norm\" },\n    { type = \"activation\" },\n]\n",
                &[],
            ),
            (
                "convolution after dense",
                "[network]\nlayers = [\n    { type = \"dense\", units = 8 },\n    { type = \"conv\", channels = 8, kernel = 1 },\n]\n",
                &[],
            ),
            ("deeper than any parameters", &deep, &[]),
        ],
    );
}

#[test]
fn overrides() {
    let spec = "[train]\nepochs = 8\naugment = false\n\n[network]\nlayers = [{ type = \"dense\", units = 8 }]\n";
    gallery(
        "overrides",
        &[
            ("wrong type", spec, &["train.epochs=abc"]),
            ("second of two", spec, &["train.batch=64", "train.epochs=0"]),
            ("unknown key", spec, &["train.epoch=3"]),
            ("unknown section", spec, &["trian.epochs=3"]),
            ("key without section", spec, &["epochs=3"]),
            ("unknown value", spec, &["activation.function=rellu"]),
            ("NaN", spec, &["train.learning_rate=nan"]),
            ("reversed interval", spec, &["activation.interval=[4, -4]"]),
            ("unclosed list", spec, &["activation.interval=[4, -4"]),
            ("no equals sign", spec, &["train.epochs"]),
            ("no value", spec, &["train.epochs="]),
            ("empty part", spec, &["train..epochs=3"]),
            ("strange key", spec, &["train.epo chs=3"]),
            ("no key", spec, &["=3"]),
            ("below a value", spec, &["train.epochs.first=3"]),
            ("below a switch", spec, &["train.augment.flip=true"]),
            ("a layer", spec, &["network.layers.0.units=9"]),
            ("clash with the file", spec, &["network.depth=3"]),
            (
                "impossible combination",
                spec,
                &["activation.degree=12", "encryption.backend=ckks"],
            ),
        ],
    );
}

#[test]
fn lookups() {
    gallery(
        "lookups",
        &[
            (
                "exact without look-ups",
                "[activation]\nexact = true\n[encryption]\nbackend = \"ckks\"\n",
                &[],
            ),
            (
                "exact by default of the backend",
                "[activation]\nexact = true\n",
                &[],
            ),
            (
                "exact and a degree",
                "[activation]\nexact = true\ndegree = 2\n[encryption]\nbackend = \"tfhe\"\n",
                &[],
            ),
            (
                "bits of another backend",
                "[encryption]\nbackend = \"ckks\"\nmessage_bits = 5\n",
                &[],
            ),
            (
                "pixels of three bits",
                "[encryption]\nbackend = \"tfhe\"\npixel_bits = 3\n",
                &[],
            ),
            (
                "too many message bits",
                "[encryption]\nbackend = \"tfhe\"\nmessage_bits = 8\n",
                &[],
            ),
            (
                "integers of unknown size",
                "[train]\nquantize = true\n[encryption]\nbackend = \"tfhe\"\n",
                &[],
            ),
            (
                "integers without batch norm",
                "[network]\nbatch_norm = false\nlayers = [{ type = \"dense\", units = 8 }, { type = \"activation\" }]\n\
                 [train]\nquantize = true\n[encryption]\nbackend = \"tfhe\"\nmessage_bits = 5\npixel_bits = 1\n",
                &[],
            ),
        ],
    );
}

#[test]
fn colour() {
    let conv = "{ type = \"conv\", channels = 8, kernel = 3 }, { type = \"activation\" }";
    let bare = format!(
        "[activation]\nform = \"hermite-normalized\"\n[network]\nbatch_norm = false\nlayers = [{conv}]\n"
    );
    gallery(
        "colour",
        &[
            (
                "unknown form",
                "[activation]\nform = \"hermite-normalised\"\n",
                &[],
            ),
            (
                "normalised form of degree 4",
                "[activation]\nform = \"hermite-normalized\"\ndegree = 4\n",
                &[],
            ),
            (
                "normalised form per layer",
                "[activation]\nform = \"hermite-normalized\"\ntrainable = \"layer\"\n",
                &[],
            ),
            ("normalised form without batch norm", &bare, &[]),
            (
                "normalised form of an exact activation",
                "[activation]\nform = \"hermite-normalized\"\nexact = true\n[encryption]\nbackend = \"tfhe\"\n",
                &[],
            ),
            (
                "standardised pixels in look-ups",
                "name = \"a\"\n[dataset]\nname = \"mnist\"\nstandardize = \"per-image\"\n[encryption]\nbackend = \"tfhe\"\n",
                &[],
            ),
            (
                "even whitening patch",
                "name = \"a\"\n[dataset]\nname = \"mnist\"\nstandardize = \"per-image\"\nzca = 4\n",
                &[],
            ),
            (
                "whitening of images of any scale",
                "name = \"a\"\n[dataset]\nname = \"mnist\"\nzca = 5\n",
                &[],
            ),
            (
                "two views in look-ups",
                "[encryption]\nbackend = \"tfhe\"\nviews = 2\n",
                &[],
            ),
            ("three views", "[encryption]\nviews = 3\n", &[]),
            (
                "Muon's key without Muon",
                "[train]\noptimizer = \"sgd\"\nsgd_momentum = 0.8\n",
                &[],
            ),
            (
                "Muon without filters",
                "[network]\nlayers = [{ type = \"dense\", units = 8 }, { type = \"activation\" }]\n[train]\noptimizer = \"muon\"\n",
                &[],
            ),
            (
                "whitening without filters",
                "[network]\nlayers = [{ type = \"dense\", units = 8 }, { type = \"activation\" }]\n[train]\nwhiten = true\n",
                &[],
            ),
            (
                "temperature without distillation",
                "[train]\ndistill_temperature = 4\n",
                &[],
            ),
            (
                "distillation into an exact activation",
                "[activation]\nexact = true\n[train]\ndistill = 0.5\n[encryption]\nbackend = \"tfhe\"\n",
                &[],
            ),
            ("limit without a penalty", "[train]\npeak_limit = 6\n", &[]),
            (
                "flip that is no choice",
                "[train.augment]\nflip = \"alternate\"\n",
                &[],
            ),
            ("number for a flip", "[train.augment]\nflip = 0.5\n", &[]),
            (
                "border of a resampled image",
                "[train.augment]\nborder = \"reflect\"\n",
                &[],
            ),
            (
                "pool after dense",
                "[network]\nlayers = [{ type = \"dense\", units = 8 }, { type = \"global-avg-pool\" }]\n",
                &[],
            ),
            (
                "size of a global pool",
                "[network]\nlayers = [{ type = \"global-avg-pool\", size = 2 }]\n",
                &[],
            ),
        ],
    );
}
