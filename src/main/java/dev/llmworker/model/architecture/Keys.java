package dev.llmworker.model.architecture;

import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The metadata of a model under the name of its architecture, and which tensors there are. Each value is checked.
final class Keys {
    /// No known model has more than 32,768 values in a row. All heads together are such a row, too.
    static final int MAX_SIZE = 1 << 20;

    private final StoredModel model;
    private final String prefix;
    private final int blocks;
    private final int layers;
    /// The lists that were read, by key.
    private final Map<String, int[]> lists = new HashMap<>();

    Keys(StoredModel model, String architecture) throws ModelFileException {
        this.model = model;
        prefix = architecture + ".";
        blocks = size("block_count", MAX_SIZE);
        // The last ones of some models predict tokens after the next.
        layers = blocks - count("nextn_predict_layers", blocks - 1, 0);
    }

    int layers() {
        return layers;
    }

    Map<String, Tensor> tensors() {
        return model.tensors();
    }

    Metadata metadata() {
        return model.metadata();
    }

    boolean has(String key) {
        return metadata().has(prefix + key);
    }

    boolean isList(String key) {
        return metadata().isList(prefix + key);
    }

    boolean hasTensor(String name) {
        return model.tensors().containsKey(name);
    }

    /// An integer from 1 on.
    int size(String key, int limit) throws ModelFileException {
        return checked(key, metadata().integer(prefix + key), 1, limit);
    }

    int size(String key, int limit, int fallback) throws ModelFileException {
        return has(key) ? size(key, limit) : fallback;
    }

    /// An integer from 0 on.
    int count(String key, int limit, int fallback) throws ModelFileException {
        return has(key) ? checked(key, metadata().integer(prefix + key), 0, limit) : fallback;
    }

    /// A size of one layer: the key has one for all layers, or a list of one for each.
    int sizeOf(int layer, String key, int limit) throws ModelFileException {
        return isList(key) ? checked(key, listed(key, layer), 1, limit) : size(key, limit);
    }

    /// A flag of one layer, from a list of flags or integers; the fallback if there is no list.
    boolean flag(String key, int layer, boolean fallback) throws ModelFileException {
        return isList(key) ? listed(key, layer) != 0 : fallback;
    }

    private int listed(String key, int layer) throws ModelFileException {
        var list = lists.get(key);
        if (list == null) {
            list = metadata().list(prefix + key);
            if (list.length != blocks) {
                throw problem(
                        key, "has " + list.length + " values; expected one for each of the " + blocks + " layers");
            }
            lists.put(key, list);
        }
        return list[layer];
    }

    private int checked(String key, int size, int least, int limit) throws ModelFileException {
        if (size < least || size > limit) {
            throw problem(key, "is " + size + "; expected " + least + " to " + limit);
        }
        return size;
    }

    double number(String key, double fallback) throws ModelFileException {
        return has(key) ? metadata().number(prefix + key) : fallback;
    }

    /// A number from 0 on.
    double notNegative(String key, double fallback) throws ModelFileException {
        var number = number(key, fallback);
        if (!(number >= 0)) {
            throw problem(key, "is " + number + "; it must not be below 0");
        }
        return number;
    }

    /// A number above 0.
    double positive(String key, double fallback) throws ModelFileException {
        var number = number(key, fallback);
        if (!(number > 0)) {
            throw problem(key, "is " + number + "; it must be above 0");
        }
        return number;
    }

    boolean flag(String key, boolean fallback) throws ModelFileException {
        return metadata().flag(prefix + key, fallback);
    }

    @Nullable
    String text(String key) throws ModelFileException {
        return has(key) ? metadata().string(prefix + key) : null;
    }

    ModelFileException problem(String key, String problem) {
        return metadata().problem(prefix + key, problem);
    }
}
