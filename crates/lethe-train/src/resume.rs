//! A run's state on disk, so that a stopped run goes on where it was.

use std::io::Write;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use lethe_model::Network;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Example, Objective, Optimizer, TrainConfig, Trained};

/// Where a run's state is kept. It is written whole or not at all; a run that finds the state of an
/// earlier one there goes on from it, to the same weights, bit for bit. Removing it is the caller's
/// choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The file (safetensors).
    pub file: PathBuf,
    /// Optimizer steps between two writes.
    pub every: usize,
}

/// Tensors by name.
pub type Named = Vec<(String, Tensor<2>)>;

/// The tensor that the rest is said in.
const HEAD: &str = "state";

/// What is said beside the tensors.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    /// A hash of the settings and the examples.
    run: String,
    trained: Trained,
    seen: usize,
    optimizer_steps: usize,
    objective: serde_json::Value,
}

/// How far a run is, beside its weights.
pub(crate) struct State {
    pub optimizer: Optimizer,
    pub trained: Trained,
    /// Examples so far.
    pub seen: usize,
}

/// What tells one run from another: settings, seed, examples.
pub(crate) fn run_hash(config: &TrainConfig, examples: &[Example], seed: u64) -> String {
    let mut hash = Sha256::new();
    // Settings are numbers and texts, which JSON can hold.
    hash.update(serde_json::to_vec(&(config, seed)).unwrap_or_default());
    for example in examples {
        hash.update(example.sequence.first_target.to_le_bytes());
        hash.update(example.sequence.ids.len().to_le_bytes());
        let ids = example.sequence.ids.iter();
        ids.for_each(|id| hash.update(id.to_le_bytes()));
    }
    let digest = hash.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Resume {
    /// Writes the state, if it is due after as many steps.
    pub(crate) fn save(
        &self,
        run: &str,
        network: &Network,
        objective: &dyn Objective,
        state: &State,
    ) -> Result<(), Error> {
        if !state.trained.steps.is_multiple_of(self.every.max(1)) {
            return Ok(());
        }
        let (objective, of_objective) = objective.state();
        let (optimizer_steps, moments) = state.optimizer.state();
        let head = Head {
            run: run.to_owned(),
            trained: state.trained.clone(),
            seen: state.seen,
            optimizer_steps,
            objective,
        };
        let weights = network.trainable().into_iter();
        let weights = weights.map(|(name, weight)| (format!("weight {name}"), weight.clone()));
        let own = of_objective.into_iter();
        let own = own.map(|(name, tensor)| (format!("objective {name}"), tensor));
        let mut bytes = Vec::new();
        for (name, tensor) in weights.chain(moments).chain(own) {
            let shape = tensor.dims().to_vec();
            let values: Vec<f32> = tensor
                .try_into_vec_as()
                .map_err(|e| Error::Read(format!("{e:?}")))?;
            let raw: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            bytes.push((name, shape, raw));
        }
        let wrong = |reason: String| Error::State {
            file: self.file.clone(),
            reason,
        };
        // CBOR: JSON's decimal numbers do not all come back as they were.
        let mut said = Vec::new();
        ciborium::into_writer(&head, &mut said).map_err(|e| wrong(e.to_string()))?;
        let view = TensorView::new(Dtype::U8, vec![said.len()], &said);
        let mut views = vec![(HEAD, view.map_err(|e| wrong(e.to_string()))?)];
        for (name, shape, raw) in &bytes {
            let view = TensorView::new(Dtype::F32, shape.clone(), raw);
            views.push((name.as_str(), view.map_err(|e| wrong(e.to_string()))?));
        }
        let whole = safetensors::serialize(views, None).map_err(|e| wrong(e.to_string()))?;
        write(&self.file, &whole).map_err(|e| wrong(e.to_string()))
    }

    /// Goes on from the state, if there is one.
    pub(crate) fn load(
        &self,
        run: &str,
        network: &mut Network,
        objective: &dyn Objective,
        state: &mut State,
    ) -> Result<(), Error> {
        let wrong = |reason: String| Error::State {
            file: self.file.clone(),
            reason,
        };
        let bytes = match std::fs::read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(wrong(error.to_string())),
        };
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| wrong(e.to_string()))?;
        let said = tensors
            .tensor(HEAD)
            .map_err(|_| wrong("it holds no state of a run".to_owned()))?;
        let head: Head = ciborium::from_reader(said.data()).map_err(|e| wrong(e.to_string()))?;
        if head.run != run {
            return Err(wrong(
                "it is of a run with other settings, examples or seed".to_owned(),
            ));
        }
        let device = network.device();
        let read = |name: &str| -> Result<Tensor<2>, Error> {
            let view = tensors.tensor(name).map_err(|e| wrong(e.to_string()))?;
            tensor(&view, &device).ok_or_else(|| wrong(format!("{name} is not a matrix of f32")))
        };
        for (name, weight) in network.trainable_mut() {
            let saved = read(&format!("weight {name}"))?;
            if saved.dims() != weight.dims() {
                let (found, expected) = (saved.dims(), weight.dims());
                return Err(wrong(format!("{name} is {found:?}, expected {expected:?}")));
            }
            *weight = saved;
        }
        let of = |kind: &str| -> Result<Named, Error> {
            let names = tensors.names().into_iter();
            let own = names.filter_map(|name| Some((name, name.strip_prefix(kind)?.to_owned())));
            own.map(|(name, short)| Ok((short, read(name)?))).collect()
        };
        let mut moments = Vec::new();
        for (name, first) in of("moment1 ")? {
            let second = read(&format!("moment2 {name}"))?;
            moments.push((name, [first, second]));
        }
        state.optimizer.resume(head.optimizer_steps, moments)?;
        let own = of("objective ")?;
        objective.resume(network, &head.objective, own);
        state.trained = head.trained;
        state.seen = head.seen;
        Ok(())
    }
}

fn tensor(view: &TensorView, device: &Device) -> Option<Tensor<2>> {
    let [rows, columns] = <[usize; 2]>::try_from(view.shape()).ok()?;
    let values: Vec<f32> = view
        .data()
        .chunks_exact(4)
        .filter_map(|b| Some(f32::from_le_bytes(b.try_into().ok()?)))
        .collect();
    (view.dtype() == Dtype::F32 && values.len() == rows * columns)
        .then(|| Tensor::from_data(TensorData::new(values, [rows, columns]), device))
}

fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(file)?;
    Ok(())
}
