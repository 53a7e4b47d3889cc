package dev.llmworker.model;

import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.Metadata;
import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.Tensor;

/// The sizes and constants of a model of the Llama family, as its file's metadata says, checked against each other.
///
/// @param hidden values of a token between layers
/// @param heads of queries; a multiple of `kvHeads`
/// @param headDim values of a head of queries, keys or values
/// @param feedForward values between the two matrices of a feed-forward block
/// @param contextLength the most tokens the model was trained for
/// @param epsilon of the RMS norms
/// @param frequencies by how much each pair of a head turns from one position to the next, in radians, headDim / 2;
///     0 for pairs that do not turn
record LlamaShape(
        String name,
        int layers,
        int hidden,
        int heads,
        int kvHeads,
        int headDim,
        int feedForward,
        int vocabulary,
        int contextLength,
        float epsilon,
        double[] frequencies) {
    private static final String PREFIX = "llama.";
    /// No known model has more than 32,768; products of two sizes stay far from the limits of a long.
    private static final int MAX_SIZE = 1 << 20;
    /// The longest contexts known are of 10 million tokens.
    private static final int MAX_CONTEXT = 1 << 24;

    /// @throws ModelFileException when the model is of another family or has a part that is not supported
    static LlamaShape of(Gguf model) throws ModelFileException {
        var metadata = model.metadata();
        checkFamily(metadata);
        var hidden = size(metadata, "embedding_length", MAX_SIZE);
        var heads = size(metadata, "attention.head_count", MAX_SIZE);
        var kvHeads = metadata.has(PREFIX + "attention.head_count_kv")
                ? size(metadata, "attention.head_count_kv", MAX_SIZE)
                : heads;
        if (heads % kvHeads != 0) {
            throw problem(
                    metadata,
                    PREFIX + "attention.head_count is " + heads + "; it must be a multiple of the " + kvHeads
                            + " key-value heads");
        }
        var headDim = headDim(metadata, hidden, heads);
        var embedding = model.tensor("token_embd.weight");
        return new LlamaShape(
                metadata.string("general.name", "unnamed"),
                size(metadata, "block_count", MAX_SIZE),
                hidden,
                heads,
                kvHeads,
                headDim,
                size(metadata, "feed_forward_length", MAX_SIZE),
                Math.toIntExact(Math.min(embedding.rows(), Integer.MAX_VALUE)),
                size(metadata, "context_length", MAX_CONTEXT),
                epsilon(metadata),
                frequencies(model, headDim));
    }

    /// Bytes that a token takes in the KV cache, at so many a number.
    long cacheBytesPerToken(int numberBytes) {
        return 2L * layers * kvHeads * headDim * numberBytes;
    }

    private static void checkFamily(Metadata metadata) throws ModelFileException {
        var architecture = metadata.string("general.architecture");
        if (!architecture.equals("llama")) {
            throw problem(
                    metadata,
                    "the architecture is " + architecture
                            + "; supported: llama (Llama 2 and 3, SmolLM2, TinyLlama, Mistral)");
        }
        var scaling = metadata.string(PREFIX + "rope.scaling.type", "none");
        if (!scaling.equals("none")) {
            throw problem(
                    metadata,
                    PREFIX + "rope.scaling.type is " + scaling + "; supported: none, and Llama 3's rope_freqs.weight");
        }
        var experts = metadata.integer(PREFIX + "expert_count", 0);
        if (experts != 0) {
            throw problem(metadata, PREFIX + "expert_count is " + experts + "; supported: 0 (dense models)");
        }
    }

    private static int headDim(Metadata metadata, int hidden, int heads) throws ModelFileException {
        var headDim = metadata.integer(PREFIX + "attention.key_length", hidden / heads);
        var valueLength = metadata.integer(PREFIX + "attention.value_length", headDim);
        if (headDim < 2 || headDim % 2 != 0 || headDim > MAX_SIZE || valueLength != headDim) {
            throw problem(
                    metadata,
                    "the heads have keys of " + headDim + " and values of " + valueLength
                            + "; supported: both the same, even, 2 to " + MAX_SIZE);
        }
        return headDim;
    }

    private static float epsilon(Metadata metadata) throws ModelFileException {
        var key = PREFIX + "attention.layer_norm_rms_epsilon";
        var epsilon = metadata.number(key);
        if (!(epsilon >= 0 && epsilon < 1)) {
            throw problem(metadata, key + " is " + epsilon + "; expected 0 to 1");
        }
        return epsilon;
    }

    private static double[] frequencies(Gguf model, int headDim) throws ModelFileException {
        var metadata = model.metadata();
        var turning = metadata.integer(PREFIX + "rope.dimension_count", headDim);
        if (turning < 2 || turning % 2 != 0 || turning > headDim) {
            throw problem(
                    metadata,
                    PREFIX + "rope.dimension_count is " + turning + "; it must be even and 2 to the head's " + headDim);
        }
        var base = metadata.number(PREFIX + "rope.freq_base", 10_000);
        if (!(base > 1)) {
            throw problem(metadata, PREFIX + "rope.freq_base is " + base + "; it must be above 1");
        }
        var factors = model.tensors().get("rope_freqs.weight");
        if (factors != null) {
            TensorCheck.vector(model, factors, turning / 2);
        }
        var frequencies = new double[headDim / 2];
        for (var i = 0; i < turning / 2; i++) {
            frequencies[i] = Math.pow(base, -2.0 * i / turning) / (factors == null ? 1 : factor(model, factors, i));
        }
        return frequencies;
    }

    /// Llama 3 turns the slower pairs slower than trained at first, to reach longer contexts.
    private static float factor(Gguf model, Tensor factors, int i) throws ModelFileException {
        var factor = TensorCheck.float32(model, factors, i);
        if (!(factor > 0)) {
            throw problem(
                    model.metadata(),
                    "tensor " + factors.name() + " has " + factor + " at " + i + "; it must be above 0");
        }
        return factor;
    }

    private static int size(Metadata metadata, String key, int limit) throws ModelFileException {
        var size = metadata.integer(PREFIX + key);
        if (size < 1 || size > limit) {
            throw problem(metadata, PREFIX + key + " is " + size + "; expected 1 to " + limit);
        }
        return size;
    }

    private static ModelFileException problem(Metadata metadata, String problem) {
        return new ModelFileException(metadata.file(), problem);
    }
}
