package dev.llmworker.model.loading;

import dev.llmworker.model.FeedForward.Experts;
import dev.llmworker.model.LayerTensors;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.device.DeviceMemory;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.Tensor;
import java.util.Locale;
import java.util.Objects;

/// The copies that loading makes of matrices in main memory: of quantised ones, if the file has them in another form
/// than their type's, and on a CPU of rows that get another order. Tensors that are joined to one matrix are copied
/// together, and experts one by one.
public final class UnpackedCopies {
    /// Queries, keys and values.
    private static final int MOST_JOINED = 3;

    private UnpackedCopies() {}

    /// Bytes of the copies when this tensor is loaded for a CPU; 0 if it is read as it is stored.
    public static long bytesForCpu(String name, Tensor tensor, ModelConfig config) {
        return tensor.packed() == null && !LayerTensors.isOfLayer(name) ? 0 : joined(name, tensor, config);
    }

    private static long joined(String name, Tensor tensor, ModelConfig config) {
        return MOST_JOINED * tensor.bytes() / parts(name, config);
    }

    /// The most that copies of quantised matrices take at once.
    public static long mostBytes(StoredModel model, ModelConfig config) {
        return model.tensors().entrySet().stream()
                .filter(entry -> entry.getValue().packed() != null)
                .mapToLong(entry -> joined(entry.getKey(), entry.getValue(), config))
                .max()
                .orElse(0);
    }

    /// @param main memory of the machine, if the model is for a GPU: the plan of a GPU's memory does not count it
    /// @throws IllegalArgumentException if the copies have no room there
    public static void check(StoredModel model, ModelConfig config, DeviceMemory main) {
        long most = mostBytes(model, config);
        if (most > main.available()) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "the model cannot be loaded: unpacking its largest quantised matrix takes %.2f GB of main memory; "
                            + "%s has %.1f GB, of which %.2f GB are available",
                    most / 1e9,
                    main.place(),
                    main.total() / 1e9,
                    main.available() / 1e9));
        }
    }

    /// In how many parts a tensor is loaded.
    public static int parts(String name, ModelConfig config) {
        return LayerTensors.isOfAllExperts(name)
                ? config.layers().stream()
                        .map(layer -> layer.feedForward().experts())
                        .filter(Objects::nonNull)
                        .mapToInt(Experts::count)
                        .findFirst()
                        .orElse(1)
                : 1;
    }
}
