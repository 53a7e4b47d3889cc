package dev.llmworker.model;

import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.Stages;
import dev.llmworker.weights.Gguf;
import java.io.IOException;
import java.util.Arrays;
import java.util.function.LongConsumer;

/// The decoder of a GGUF model: `decoder.pt` in libtorch.
///
/// Threading: as [Decoder]; [#load] counts as a call.
public final class TorchDecoder implements Decoder {
    private static final long ONE_THREAD_BYTES = 256L << 20;

    private final Program program;
    private final DecoderDescription description;
    private final ManyRowsForm manyRowsForm;
    private final boolean deterministic;

    private TorchDecoder(
            Program program, DecoderDescription description, ManyRowsForm manyRowsForm, boolean deterministic) {
        this.program = program;
        this.description = description;
        this.manyRowsForm = manyRowsForm;
        this.deterministic = deterministic;
    }

    /// As [#load(Gguf, DecoderOptions, LongConsumer, Stages)].
    public static TorchDecoder load(Gguf model, DecoderOptions options, LongConsumer progress)
            throws IOException, InterruptedException {
        return load(model, options, progress, new Stages());
    }

    /// Loads a model's weights and runs it once, so that the first request does not pay for what libtorch sets up at
    /// first use. The file may be closed afterwards.
    ///
    /// @param progress told how many bytes of the file have been loaded, from time to time
    /// @param stages told the stages of loading as they end
    /// @throws dev.llmworker.weights.ModelFileException when the model is not supported or its tensors do not fit
    /// @throws IllegalArgumentException when the options and the model or machine do not go together
    /// @throws InterruptedException when the thread is interrupted
    public static TorchDecoder load(Gguf model, DecoderOptions options, LongConsumer progress, Stages stages)
            throws IOException, InterruptedException {
        Libtorch.await();
        var device = Devices.of(options.device());
        stages.ended("libtorch");
        var threads = options.threads() == 0 ? Runtime.getRuntime().availableProcessors() : options.threads();
        var program = new Program(device, Math.min(threads, loadingThreads(model)));
        stages.ended("program");
        var loaded = false;
        try {
            var description = new ModelLoader(model, options, device, program).load(progress);
            var manyRowsForm = ManyRowsForm.of(program, options.deterministic());
            stages.ended("weights");
            program.useThreads(threads);
            var decoder = new TorchDecoder(program, description, manyRowsForm, options.deterministic());
            new WarmUp(decoder).run();
            stages.ended("first run");
            loaded = true;
            return decoder;
        } finally {
            if (!loaded) {
                program.close();
            }
        }
    }

    /// A small model is repacked in less time than several threads take to wait for each other, with the tokenizer and
    /// Camel starting beside them.
    private static int loadingThreads(Gguf model) {
        var bytes = model.tensors().values().stream()
                .mapToLong(tensor -> tensor.data().byteSize())
                .sum();
        return bytes <= ONE_THREAD_BYTES ? 1 : Integer.MAX_VALUE;
    }

    @Override
    public DecoderDescription description() {
        return description;
    }

    @Override
    public void prefill(int slot, int[] ids, int start) {
        checkChunk(slot, ids, start);
        manyRowsForm.beforePrompt(ids.length, slot == 0);
        program.run("prefill", longs(ids), slot, start);
    }

    @Override
    public int prefillLast(int slot, int[] ids, int start, SamplingParameters sampling) {
        checkChunk(slot, ids, start);
        manyRowsForm.beforePrompt(ids.length, slot == 0);
        var uniform = Noise.uniform(sampling.seed(), start + ids.length - 1);
        var numbers = new double[] {sampling.temperature(), sampling.topP(), sampling.minP(), uniform};
        return program.integer(
                "prefill_last",
                longs(ids),
                slot,
                start,
                sampling.topK(),
                numbers,
                !sampling.isGreedy(),
                filters(sampling));
    }

    @Override
    public int[] decode(DecodeBatch batch, int steps) {
        checkBatch(batch, steps);
        var rows = batch.rows();
        var integers = new long[3 * rows];
        var numbers = new double[(3 + steps) * rows];
        var anySampled = false;
        var anyFiltered = false;
        for (var row = 0; row < rows; row++) {
            var sampling = batch.sampling(row);
            integers[row] = batch.token(row);
            integers[rows + row] = batch.position(row);
            integers[2 * rows + row] = sampling.topK();
            numbers[row] = sampling.temperature();
            numbers[rows + row] = sampling.topP();
            numbers[2 * rows + row] = sampling.minP();
            for (var step = 0; step < steps; step++) {
                numbers[(3 + step) * rows + row] = Noise.uniform(sampling.seed(), batch.position(row) + step);
            }
            anySampled |= !sampling.isGreedy();
            anyFiltered |= filters(sampling);
        }
        var tokens = program.integers("decode", integers, numbers, steps, anySampled, anyFiltered);
        manyRowsForm.afterStep(rows);
        return tokens;
    }

    @Override
    public void copySlot(int from, int to, int length) {
        checkSlot(from);
        checkSlot(to);
        checkLength(length);
        program.run("copy_slot", from, to, length);
    }

    @Override
    public void swapSlots(int a, int b, int length) {
        checkSlot(a);
        checkSlot(b);
        checkLength(length);
        program.run("swap_slots", a, b, length);
    }

    @Override
    public boolean deterministic() {
        return deterministic;
    }

    @Override
    public void rest() {
        manyRowsForm.release();
        FreedMemory.giveBack();
    }

    /// As [#prefill]; the logits after the last token.
    float[] prefillLogits(int slot, int[] ids, int start) {
        checkChunk(slot, ids, start);
        manyRowsForm.beforePrompt(ids.length, slot == 0);
        return program.floats("prefill_logits", longs(ids), slot, start, false);
    }

    /// A decode step; the logits by row.
    float[] decodeLogits(int[] tokens, int[] positions) {
        return program.floats("decode_logits", longs(tokens), longs(positions));
    }

    @Override
    public void close() {
        program.close();
    }

    private static boolean filters(SamplingParameters sampling) {
        return !sampling.isGreedy() && (sampling.topK() > 0 || sampling.topP() < 1 || sampling.minP() > 0);
    }

    private void checkChunk(int slot, int[] ids, int start) {
        checkSlot(slot);
        if (ids.length == 0 || start < 0 || start > description.contextLength() - ids.length) {
            throw new IllegalArgumentException("a chunk of " + ids.length + " tokens from position " + start
                    + "; it must have 1 or more and end within " + description.contextLength());
        }
        for (var id : ids) {
            checkToken(id);
        }
    }

    private void checkBatch(DecodeBatch batch, int steps) {
        if (batch.rows() < 1 || batch.rows() > description.slots() || steps < 1) {
            throw new IllegalArgumentException("a batch of " + batch.rows() + " rows and " + steps
                    + " steps; rows must be 1 to " + description.slots() + ", steps at least 1");
        }
        for (var row = 0; row < batch.rows(); row++) {
            checkToken(batch.token(row));
            if (batch.position(row) < 0 || batch.position(row) > description.contextLength() - steps) {
                throw new IllegalArgumentException("row " + row + " decodes " + steps + " tokens from position "
                        + batch.position(row) + "; the context ends at " + description.contextLength());
            }
        }
    }

    private void checkSlot(int slot) {
        if (slot < 0 || slot >= description.slots()) {
            throw new IllegalArgumentException("slot is " + slot + "; it must be 0 to " + (description.slots() - 1));
        }
    }

    private void checkLength(int length) {
        if (length < 0 || length > description.contextLength()) {
            throw new IllegalArgumentException(
                    "length is " + length + "; a slot holds 0 to " + description.contextLength());
        }
    }

    private void checkToken(int id) {
        if (id < 0 || id >= description.vocabularySize()) {
            throw new IllegalArgumentException(
                    "token is " + id + "; it must be 0 to " + (description.vocabularySize() - 1));
        }
    }

    private static long[] longs(int[] integers) {
        return Arrays.stream(integers).asLongStream().toArray();
    }
}
