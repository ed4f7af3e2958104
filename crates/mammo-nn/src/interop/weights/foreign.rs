//! Unsupported weight formats: what they are, and how to export them.

use std::path::Path;

use pytorch_reader::PytorchError;

use crate::Error;

/// Recognises an unsupported file by its first bytes, or a ZIP archive by its entries.
pub fn refusal(path: &Path, head: &[u8]) -> Option<Error> {
    let (found, expected) = match head {
        [b'P', b'K', 3, 4, ..] => archive(path)?,
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => ("a NumPy array", SAVE_BY_NAME),
        [0x1F, 0x8B, ..] => ("a gzip file", "weights in .pth, .safetensors or .h5; unpack it"),
        _ => return None,
    };
    Some(Error::model_file(path, found, expected))
}

const SAVE_BY_NAME: &str = "weights with the names of torchvision or Keras: give the arrays their names and save \
                            them with safetensors.numpy.save_file(arrays, 'weights.safetensors')";

fn archive(path: &Path) -> Option<(&'static str, &'static str)> {
    let archive = zip::ZipArchive::new(std::fs::File::open(path).ok()?).ok()?;
    // PyTorch stores everything in one folder with the name of the file.
    let inside = |name: &str| name.split_once('/').map_or_else(String::new, |(_, rest)| rest.to_string());
    let any = |test: &dyn Fn(&str) -> bool| archive.file_names().flatten().any(|name| test(&name));
    if any(&|name| name == "model.weights.h5") {
        return Some((
            "a Keras 3 archive (.keras)",
            "weights in .h5 of Keras 2; load it there (tf_keras) and write model.save('model.h5')",
        ));
    }
    if any(&|name| name.ends_with(".npy")) {
        return Some(("NumPy arrays (.npz)", SAVE_BY_NAME));
    }
    if any(&|name| inside(name) == "constants.pkl" || inside(name).starts_with("code/")) {
        return Some((
            "a TorchScript archive, whose code is not executed",
            "a state dictionary; write torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth')",
        ));
    }
    if any(&|name| inside(name).starts_with("models/") || inside(name) == "archive_format") {
        return Some((
            "an archive of torch.export",
            "a state dictionary; write torch.save(torch.export.load(FILE).state_dict, 'weights.pth')",
        ));
    }
    (!any(&|name| inside(name) == "data.pkl"))
        .then_some(("a ZIP archive of something else", "weights in .pth, .safetensors or .h5"))
}

/// The persistent identifier `module` with which PyTorch before 1.6 stores a whole module together
/// with its source: pickle's BINUNICODE of the word.
const OLD_MODULE: &[u8] = b"X\x06\0\0\0module";

/// The error for a checkpoint with Python objects other than tensors, containers and modules.
pub fn pickled_object(path: &Path, head: &[u8], error: &PytorchError) -> Error {
    let found = match head.windows(OLD_MODULE.len()).any(|bytes| bytes == OLD_MODULE) {
        true => "a whole pickled module, as PyTorch before version 1.6 stored it".to_string(),
        false => format!("{error}; no pickled code is executed"),
    };
    let expected = "a state dictionary; load the file where its classes are installed and write \
                    torch.save(model.state_dict(), 'weights.pth')";
    Error::model_file(path, found, expected)
}
