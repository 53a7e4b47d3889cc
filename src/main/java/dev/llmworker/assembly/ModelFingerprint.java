package dev.llmworker.assembly;

import dev.llmworker.hub.download.Sha256;
import dev.llmworker.hub.progress.Progress;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/// A hash of all that a model's files hold: weights, metadata and tokenizer. Two models never have the same one.
final class ModelFingerprint {
    /// Of a hub's folder: its configuration, its tokenizer and its templates, beside the tensors.
    private static final String OTHER_FILES = "*.{json,model,jinja,txt}";

    private ModelFingerprint() {}

    /// Reads every file once, at some GB a second. Where the files are does not matter.
    static byte[] of(StoredModel model) throws IOException {
        var digest = Sha256.digest();
        for (var file : files(model)) {
            var line = file.getFileName() + " " + Sha256.of(file, Progress.silent()) + "\n";
            digest.update(line.getBytes(StandardCharsets.UTF_8));
        }
        return digest.digest();
    }

    private static List<Path> files(StoredModel model) throws IOException {
        var files = new ArrayList<>(
                model.tensors().values().stream().map(Tensor::file).distinct().toList());
        if (model.fromHub()) {
            var folder = Files.isDirectory(model.file())
                    ? model.file()
                    : Objects.requireNonNull(model.file().toAbsolutePath().getParent());
            try (var others = Files.newDirectoryStream(folder, OTHER_FILES)) {
                others.forEach(files::add);
            }
        }
        return files.stream().filter(Files::isRegularFile).distinct().sorted().toList();
    }
}
