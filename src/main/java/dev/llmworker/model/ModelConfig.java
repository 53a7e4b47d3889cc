package dev.llmworker.model;

import dev.llmworker.weights.Metadata;
import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.StoredModel;

/// The sizes and constants of a model, from the metadata of its file. They are checked against each other.
///
/// @param hidden values of a token between layers
/// @param heads of queries; a multiple of `kvHeads`
/// @param headDim values of a head of queries, keys or values
/// @param feedForward values between the two matrices of a feed-forward block
/// @param contextLength the most tokens that the model was trained for and can attend to
/// @param epsilon of the RMS norms
/// @param biased whether queries, keys and values have a bias
public record ModelConfig(
        String name,
        Architecture architecture,
        int layers,
        int hidden,
        int heads,
        int kvHeads,
        int headDim,
        int feedForward,
        int vocabulary,
        int contextLength,
        float epsilon,
        boolean biased,
        Rope rope) {
    /// No known model has more than 32,768 values in a row. All heads together are such a row, too.
    private static final int MAX_SIZE = 1 << 20;
    /// No known model has more than 300,000 tokens.
    private static final int MAX_VOCABULARY = 1 << 24;
    /// The longest contexts known are of 10 million tokens.
    private static final int MAX_CONTEXT = 1 << 24;

    /// @throws ModelFileException when the model is of another family or has a part that is not supported
    public static ModelConfig of(StoredModel model) throws ModelFileException {
        var metadata = model.metadata();
        var architecture = Architecture.of(metadata);
        var prefix = architecture.ggufName() + ".";
        var hidden = size(metadata, prefix + "embedding_length", MAX_SIZE);
        var heads = size(metadata, prefix + "attention.head_count", MAX_SIZE);
        var kvHeads = metadata.has(prefix + "attention.head_count_kv")
                ? size(metadata, prefix + "attention.head_count_kv", MAX_SIZE)
                : heads;
        if (heads % kvHeads != 0) {
            throw metadata.problem(
                    prefix + "attention.head_count",
                    "is " + heads + "; it must be a multiple of the " + kvHeads + " key-value heads");
        }
        var headDim = headDim(metadata, prefix, hidden, heads);
        checkParts(metadata, prefix);
        var embedding = model.tensor("token_embd.weight");
        if (embedding.rows() > MAX_VOCABULARY) {
            throw embedding.problem("has " + embedding.rows() + " rows; the limit is " + MAX_VOCABULARY);
        }
        return new ModelConfig(
                metadata.shown("general.name", "unnamed"),
                architecture,
                size(metadata, prefix + "block_count", MAX_SIZE),
                hidden,
                heads,
                kvHeads,
                headDim,
                size(metadata, prefix + "feed_forward_length", MAX_SIZE),
                Math.toIntExact(embedding.rows()),
                contextLength(metadata, prefix),
                epsilon(metadata, prefix),
                architecture.biased() || model.tensors().containsKey("blk.0.attn_q.bias"),
                Rope.of(model, architecture, headDim));
    }

    /// Bytes that a token takes in the KV cache.
    ///
    /// @param numberBytes bytes of a number
    public long cacheBytesPerToken(int numberBytes) {
        return 2L * layers * kvHeads * headDim * numberBytes;
    }

    /// Values of all query heads of a token.
    public int queryWidth() {
        return heads * headDim;
    }

    /// Values of all key heads of a token, and of all value heads.
    public int keyWidth() {
        return kvHeads * headDim;
    }

    /// Bytes of what a program computes for a row between two layers, in float32.
    public long activationBytes() {
        var widest = 2L * hidden + 2L * queryWidth() + 2L * keyWidth() + 3L * feedForward;
        return widest * Float.BYTES;
    }

    private static void checkParts(Metadata metadata, String prefix) throws ModelFileException {
        var experts = metadata.integer(prefix + "expert_count", 0);
        if (experts != 0) {
            throw metadata.problem(prefix + "expert_count", "is " + experts + "; supported: 0 (dense models)");
        }
    }

    /// A model with a sliding window runs up to the window's length. Up to there the window makes no difference.
    private static int contextLength(Metadata metadata, String prefix) throws ModelFileException {
        var trained = size(metadata, prefix + "context_length", MAX_CONTEXT);
        var key = prefix + "attention.sliding_window";
        return metadata.integer(key, 0) == 0 ? trained : Math.min(trained, size(metadata, key, Integer.MAX_VALUE));
    }

    private static int headDim(Metadata metadata, String prefix, int hidden, int heads) throws ModelFileException {
        var headDim = metadata.integer(prefix + "attention.key_length", hidden / heads);
        var valueLength = metadata.integer(prefix + "attention.value_length", headDim);
        if (headDim < 2 || headDim % 2 != 0 || headDim > MAX_SIZE || valueLength != headDim) {
            throw new ModelFileException(
                    metadata.file(),
                    "the heads have keys of " + headDim + " and values of " + valueLength
                            + "; supported: both the same, even, 2 to " + MAX_SIZE);
        }
        if ((long) heads * headDim > MAX_SIZE) {
            throw new ModelFileException(
                    metadata.file(),
                    heads + " heads of " + headDim + " values are " + (long) heads * headDim
                            + " together; the limit is " + MAX_SIZE);
        }
        return headDim;
    }

    private static float epsilon(Metadata metadata, String prefix) throws ModelFileException {
        var key = prefix + "attention.layer_norm_rms_epsilon";
        var epsilon = metadata.number(key);
        if (!(epsilon >= 0 && epsilon < 1)) {
            throw metadata.problem(key, "is " + epsilon + "; expected 0 to 1");
        }
        return epsilon;
    }

    private static int size(Metadata metadata, String key, int limit) throws ModelFileException {
        var size = metadata.integer(key);
        if (size < 1 || size > limit) {
            throw metadata.problem(key, "is " + size + "; expected 1 to " + limit);
        }
        return size;
    }
}
