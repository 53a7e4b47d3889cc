package dev.llmworker.model;

import ai.djl.Device;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.Stages;
import dev.llmworker.weights.StoredModel;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.function.LongConsumer;

/// The decoder of a stored model in libtorch: `dense.pt` on a GPU, `native.pt` or `decoder.pt` on a
/// CPU.
///
/// Threading: as [Decoder]; [#load] counts as a call.
public final class TorchDecoder implements Decoder {
    private static final long ONE_THREAD_BYTES = 256L << 20;

    private final Program program;
    private final DecoderDescription description;
    private final CallChecks checks;
    private final ManyRowsForm manyRowsForm;
    private final boolean deterministic;

    private TorchDecoder(
            Program program, DecoderDescription description, ManyRowsForm manyRowsForm, boolean deterministic) {
        this.program = program;
        this.description = description;
        this.checks = new CallChecks(description);
        this.manyRowsForm = manyRowsForm;
        this.deterministic = deterministic;
    }

    /// As [#load(StoredModel, DecoderOptions, LongConsumer, Stages)].
    public static TorchDecoder load(StoredModel model, DecoderOptions options, LongConsumer progress)
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
    public static TorchDecoder load(StoredModel model, DecoderOptions options, LongConsumer progress, Stages stages)
            throws IOException, InterruptedException {
        Libtorch.await();
        var device = Devices.of(options.device());
        stages.ended("libtorch");
        return load(model, options, device, ProgramChoice.of(model, options, device), progress, stages);
    }

    /// As [#load(StoredModel, DecoderOptions, LongConsumer, Stages)], with a program of choice.
    static TorchDecoder load(
            StoredModel model,
            DecoderOptions options,
            Device device,
            String resource,
            LongConsumer progress,
            Stages stages)
            throws IOException, InterruptedException {
        var threads = options.threads() == 0 ? Runtime.getRuntime().availableProcessors() : options.threads();
        var program = new Program(resource, device, Math.min(threads, loadingThreads(model)));
        stages.ended("program");
        var loaded = false;
        try {
            var description = new ModelLoader(model, options, device, program).load(progress);
            var manyRowsForm = ManyRowsForm.of(program, options.deterministic());
            stages.ended("weights");
            program.useThreads(threads);
            var decoder = new TorchDecoder(
                    program, description, manyRowsForm, options.deterministic() && !program.isNative());
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
    private static int loadingThreads(StoredModel model) {
        return model.tensorBytes() <= ONE_THREAD_BYTES ? 1 : Integer.MAX_VALUE;
    }

    @Override
    public DecoderDescription description() {
        return description;
    }

    @Override
    public void prefill(int slot, int[] ids, int start) {
        checks.chunk(slot, ids, start);
        manyRowsForm.beforePrompt(ids.length, slot == 0);
        program.run("prefill", longs(ids), slot, start);
    }

    @Override
    public int prefillLast(int slot, int[] ids, int start, SamplingParameters sampling) {
        checks.chunk(slot, ids, start);
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
    public int[] decodeBeside(DecodeBatch batch, List<PromptPart> parts) {
        checks.batch(batch, 1);
        for (var part : parts) {
            checks.chunk(part.slot(), part.ids(), part.start());
            if (part.slot() < batch.rows()) {
                throw new IllegalArgumentException("slot " + part.slot() + " takes a prompt while it decodes");
            }
        }
        var tokens = 0;
        for (var part : parts) {
            program.run("join", longs(part.ids()), part.slot(), part.start());
            tokens += part.ids().length;
        }
        manyRowsForm.beforePrompt(tokens, false);
        return decode(batch, 1);
    }

    @Override
    public int[] decode(DecodeBatch batch, int steps) {
        checks.batch(batch, steps);
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
        if (batch.isSteered()) {
            var call = new SteeredCall(batch, steps, description.vocabularySize());
            var report = program.floats("decode_steered", call.arguments(integers, numbers, anySampled, anyFiltered));
            manyRowsForm.afterStep(rows);
            return call.read(report);
        }
        var tokens = program.integers("decode", integers, numbers, steps, anySampled, anyFiltered);
        manyRowsForm.afterStep(rows);
        return tokens;
    }

    @Override
    public void copySlot(int from, int to, int length) {
        checks.slot(from);
        checks.slot(to);
        checks.length(length);
        program.run("copy_slot", from, to, length);
    }

    @Override
    public void moveSlot(int from, int to, int length) {
        if (program.isNative()) {
            // Which moves nothing at all.
            swapSlots(from, to, length);
        } else {
            copySlot(from, to, length);
        }
    }

    @Override
    public void swapSlots(int a, int b, int length) {
        checks.slot(a);
        checks.slot(b);
        checks.length(length);
        program.run("swap_slots", a, b, length);
    }

    /// The native program's time grows with the rows almost from the first: a long prompt need not hold up a lone
    /// stream.
    @Override
    public int leastPromptTokens() {
        return program.isNative() ? 4 : Decoder.super.leastPromptTokens();
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
        checks.chunk(slot, ids, start);
        manyRowsForm.beforePrompt(ids.length, slot == 0);
        return program.floats("prefill_logits", longs(ids), slot, start, false);
    }

    /// A decode step; the logits by row.
    float[] decodeLogits(int[] tokens, int[] positions) {
        return program.floats("decode_logits", longs(tokens), longs(positions));
    }

    /// The bytes of weights that a step of one row reads.
    long stepBytes() {
        return Long.parseLong(program.text("step_bytes"));
    }

    @Override
    public void close() {
        program.close();
    }

    private static boolean filters(SamplingParameters sampling) {
        return !sampling.isGreedy() && (sampling.topK() > 0 || sampling.topP() < 1 || sampling.minP() > 0);
    }

    private static long[] longs(int[] integers) {
        return Arrays.stream(integers).asLongStream().toArray();
    }
}
