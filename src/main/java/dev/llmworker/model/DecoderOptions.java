package dev.llmworker.model;

import dev.llmworker.model.device.Precision;
/// How to load a model.
///
/// @param weights format of the weights
/// @param cache format of the KV cache
/// @param slots the most sequences decoded together; 0 is what fits in memory, 32 at most
/// @param contextLength the most tokens of a sequence; 0 is the model's own, or less if the KV cache would not fit
/// @param threads of the engine on a CPU; 0 is as many as the machine has processors
/// @param device `cpu`, `cuda:0`, or `auto`: the first GPU, the CPU without one
/// @param deterministic whether a sequence's tokens never depend on what else is decoded; libtorch's kernels are
///     then a little slower in large batches
/// @param kernels which code the layers run in
/// @param copiesBytes the most bytes of main memory for copies of slots; 0 makes none

public record DecoderOptions(
        Precision weights,
        Precision cache,
        int slots,
        int contextLength,
        int threads,
        String device,
        boolean deterministic,
        Kernels kernels,
        long copiesBytes) {
    public static final int MAX_SLOTS = 1024;
    /// A share of the memory that is left.
    public static final long COPIES_AS_FIT = -1;

    public DecoderOptions {
        if (slots < 0 || slots > MAX_SLOTS) {
            throw new IllegalArgumentException(
                    "slots is " + slots + "; it must be 0 (what fits) or up to " + MAX_SLOTS);
        }
        if (contextLength < 0) {
            throw new IllegalArgumentException(
                    "context length is " + contextLength + "; it must be 0 (the model's own) or more");
        }
        if (copiesBytes < COPIES_AS_FIT) {
            throw new IllegalArgumentException(
                    "copies may take " + copiesBytes + " bytes; it must be -1 (what fits), 0 (none) or more");
        }
        if (threads < 0) {
            throw new IllegalArgumentException("threads is " + threads + "; it must be 0 (all processors) or more");
        }
    }

    /// With the kernels that are fastest on this machine.
    public DecoderOptions(
            Precision weights,
            Precision cache,
            int slots,
            int contextLength,
            int threads,
            String device,
            boolean deterministic) {
        this(weights, cache, slots, contextLength, threads, device, deterministic, Kernels.AUTO);
    }

    /// With as many copies of slots as memory allows.
    public DecoderOptions(
            Precision weights,
            Precision cache,
            int slots,
            int contextLength,
            int threads,
            String device,
            boolean deterministic,
            Kernels kernels) {
        this(weights, cache, slots, contextLength, threads, device, deterministic, kernels, COPIES_AS_FIT);
    }

    /// The same options with so many bytes for copies of slots.
    public DecoderOptions withCopies(long bytes) {
        return new DecoderOptions(weights, cache, slots, contextLength, threads, device, deterministic, kernels, bytes);
    }

    /// The same options with other kernels.
    public DecoderOptions with(Kernels others) {
        return new DecoderOptions(
                weights, cache, slots, contextLength, threads, device, deterministic, others, copiesBytes);
    }

    /// On the CPU. The machine and the model decide the rest.
    public static DecoderOptions cpu(int slots) {
        return new DecoderOptions(Precision.AUTO, Precision.AUTO, slots, 0, 0, "cpu", false);
    }
}
