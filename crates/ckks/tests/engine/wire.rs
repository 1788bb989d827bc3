//! Files: what is written comes back, and nothing else is taken.

use std::io::Read;

use ckks::{
    CiphertextSet, Error, EvaluationKey, HomomorphicOps, Parameters, Ring, SecretKey, SeededSet,
    WireError,
};

use crate::common::{Engine, RINGS, parameters};

const SCALE: f64 = (1u64 << 20) as f64;

/// One written object and how to read it.
struct Object {
    name: &'static str,
    bytes: Vec<u8>,
    read: fn(&Parameters, &mut dyn Read) -> Result<(), Error>,
}

fn objects(engine: &Engine) -> Vec<Object> {
    let write = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        write(&mut bytes);
        bytes
    };
    let seeded = engine.secret.encrypt(&[1.0, -2.0], 2, SCALE).unwrap();
    let set = engine.evaluator.drop_to(&seeded.expand(), 0).unwrap();
    let key = EvaluationKey::generate(&engine.secret).unwrap();
    vec![
        Object {
            name: "secret key",
            bytes: write(&|w| engine.secret.write(w).unwrap()),
            read: |p, mut r| SecretKey::read(p, &mut r).map(|_| ()),
        },
        Object {
            name: "evaluation key",
            bytes: write(&|w| key.write(w).unwrap()),
            read: |p, mut r| EvaluationKey::read(p, &mut r).map(|_| ()),
        },
        Object {
            name: "seeded set",
            bytes: write(&|w| seeded.write(w).unwrap()),
            read: |p, mut r| SeededSet::read(p, &mut r).map(|_| ()),
        },
        Object {
            name: "ciphertext set",
            bytes: write(&|w| set.write(w).unwrap()),
            read: |p, mut r| CiphertextSet::read(p, &mut r).map(|_| ()),
        },
    ]
}

fn small() -> Engine {
    Engine::new(parameters(Ring::Standard, 6, &[30, 26], &[30]))
}

#[test]
fn everything_comes_back_and_works() {
    for ring in RINGS {
        let engine = Engine::new(parameters(ring, 7, &[50, 40], &[50]));
        let p = &engine.parameters;
        let values: Vec<f64> = (0..3 * p.slots()).map(|i| (i % 17) as f64 - 8.0).collect();
        let mut file = Vec::new();
        // one after the other in one file: a reader takes its own object and no more
        engine.secret.write(&mut file).unwrap();
        EvaluationKey::generate(&engine.secret)
            .unwrap()
            .write(&mut file)
            .unwrap();
        let upload = engine
            .secret
            .encrypt(&values, 3, (1u64 << 35) as f64)
            .unwrap();
        upload.write(&mut file).unwrap();

        let mut reader = &file[..];
        let secret = SecretKey::read(p, &mut reader).unwrap();
        let key = EvaluationKey::read(p, &mut reader).unwrap();
        let upload = SeededSet::read(p, &mut reader).unwrap();
        assert!(reader.is_empty());

        let server = ckks::Evaluator::new(p.clone(), Some(key.into())).unwrap();
        let reply = server
            .rescale(server.square(&upload.expand()).unwrap())
            .unwrap();
        let mut file = Vec::new();
        reply.write(&mut file).unwrap();
        // 50 bits a residue, two components, three features, and little else
        let residues = 50 * 2 * 3 * p.ring_degree() / 8;
        assert!((residues..residues + 128).contains(&file.len()));
        let reply = CiphertextSet::read(p, &mut &file[..]).unwrap();
        for (value, expected) in secret.decrypt(&reply).unwrap().iter().zip(&values) {
            assert!((value - expected * expected).abs() < 1e-3);
        }
    }
}

#[test]
fn every_flipped_byte_is_refused() {
    let engine = small();
    for object in objects(&engine) {
        let read = |bytes: &[u8]| (object.read)(&engine.parameters, &mut &bytes[..]);
        read(&object.bytes).unwrap();
        let mut bytes = object.bytes.clone();
        for place in 0..bytes.len() {
            for flip in (0..8).map(|bit| 1u8 << bit).chain([0xFF]) {
                bytes[place] ^= flip;
                let result = read(&bytes);
                assert!(
                    matches!(result, Err(Error::Wire(_))),
                    "{}: byte {place}: {result:?}",
                    object.name
                );
                bytes[place] ^= flip;
            }
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let engine = small();
    for object in objects(&engine) {
        for length in 0..object.bytes.len() {
            let result = (object.read)(&engine.parameters, &mut &object.bytes[..length]);
            let truncated = matches!(result, Err(Error::Wire(WireError::Truncated)));
            assert!(truncated, "{}: {length} bytes: {result:?}", object.name);
        }
    }
}

#[test]
fn refusals_say_what_is_wrong() {
    let engine = small();
    let all = objects(&engine);
    let refusal = |object: &Object, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = object.bytes.clone();
        change(&mut bytes);
        match (object.read)(&engine.parameters, &mut &bytes[..]) {
            Err(Error::Wire(error)) => error,
            other => panic!("{}: {other:?}", object.name),
        }
    };
    for object in &all {
        assert!(matches!(refusal(object, &|b| b[3] ^= 1), WireError::Magic));
        assert!(matches!(
            refusal(object, &|b| b[8] = 9),
            WireError::Version { found: 9 }
        ));
        assert!(matches!(
            refusal(object, &|b| b[9] = 77),
            WireError::Kind { found: 77, .. }
        ));
        assert!(matches!(
            refusal(object, &|b| b[20] ^= 1),
            WireError::Parameters { .. }
        ));
        assert!(matches!(
            refusal(object, &|b| *b.last_mut().unwrap() ^= 1),
            WireError::Digest
        ));
    }
    assert!(matches!(
        refusal(&all[0], &|b| b[50] = 1 - b[50].min(1)),
        WireError::Digest
    ));
    // features of the seeded set, and a residue of the evaluation key
    assert!(matches!(
        refusal(&all[2], &|b| b[45] = 255),
        WireError::Size {
            name: "features",
            ..
        }
    ));
    assert!(matches!(
        refusal(&all[1], &|b| b[74..78].fill(255)),
        WireError::Residue { .. }
    ));
    assert!(matches!(
        refusal(&all[2], &|b| b[53] = 0xFF),
        WireError::Scale { .. }
    ));
    // an object of another kind, and of another parameter set
    let kind = (all[0].read)(&engine.parameters, &mut &all[1].bytes[..]);
    assert!(matches!(
        kind,
        Err(Error::Wire(WireError::Kind {
            expected: 1,
            found: 2
        }))
    ));
    let other = parameters(Ring::ConjugateInvariant, 6, &[30, 26], &[30]);
    for object in &all {
        let result = (object.read)(&other, &mut &object.bytes[..]);
        assert!(matches!(
            result,
            Err(Error::Wire(WireError::Parameters { .. }))
        ));
    }
}

/// A header that promises four million features on a short input: an error, and no memory for the
/// promise.
#[test]
fn a_promise_of_much_allocates_little() {
    let engine = small();
    let object = &objects(&engine)[2];
    let mut bytes = object.bytes.clone();
    bytes[42..46].copy_from_slice(&(1u32 << 22).to_le_bytes());
    let result = (object.read)(&engine.parameters, &mut &bytes[..]);
    assert!(matches!(result, Err(Error::Wire(WireError::Truncated))));
}
