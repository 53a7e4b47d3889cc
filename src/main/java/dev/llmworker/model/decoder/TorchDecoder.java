package dev.llmworker.model.decoder;

import ai.djl.Device;
import dev.llmworker.model.DecoderDescription;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Devices;
import dev.llmworker.model.FreedMemory;
import dev.llmworker.model.Libtorch;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.Stages;
import dev.llmworker.weights.StoredModel;
import java.io.IOException;
import java.util.List;
import java.util.function.LongConsumer;

/// The decoder of a stored model in libtorch, by one of the three [DecoderProgram]s.
///
/// Threading: as [Decoder]; [#load] counts as a call.
public final class TorchDecoder implements Decoder {
    private static final long ONE_THREAD_BYTES = 256L << 20;

    private final DecoderProgram program;
    private final DecoderDescription description;
    private final boolean deterministic;

    private TorchDecoder(DecoderProgram program, DecoderDescription description, boolean deterministic) {
        this.program = program;
        this.description = description;
        this.deterministic = deterministic;
    }

    /// As [#load(StoredModel, DecoderOptions, LongConsumer, Stages)].
    public static TorchDecoder load(StoredModel model, DecoderOptions options, LongConsumer progress)
            throws IOException, InterruptedException {
        return load(model, options, progress, new Stages());
    }

    /// Loads a model's weights and runs the model once, because libtorch sets up much of itself at the first use.
    /// The file may be closed afterwards.
    ///
    /// @param progress told how many bytes of the file have been loaded, from time to time
    /// @param stages told the stages of loading as they end
    /// @throws dev.llmworker.weights.ModelFileException if the model is not supported or its tensors do not fit
    /// @throws IllegalArgumentException if the options do not fit the model or machine
    /// @throws InterruptedException if the thread is interrupted
    public static TorchDecoder load(StoredModel model, DecoderOptions options, LongConsumer progress, Stages stages)
            throws IOException, InterruptedException {
        Libtorch.await();
        var device = Devices.of(options.device());
        stages.ended("libtorch");
        var described = Architectures.describe(model);
        var kind = ProgramChoice.of(described, options, device);
        return load(model, described, options, device, kind, progress, stages);
    }

    /// As [#load(StoredModel, DecoderOptions, LongConsumer, Stages)], with a program of the caller's choice.
    static TorchDecoder load(
            StoredModel model,
            ModelConfig described,
            DecoderOptions options,
            Device device,
            ProgramKind kind,
            LongConsumer progress,
            Stages stages)
            throws IOException, InterruptedException {
        var threads = options.threads() == 0 ? Runtime.getRuntime().availableProcessors() : options.threads();
        var program = kind.open(device, Math.min(threads, loadingThreads(model)));
        stages.ended("program");
        var loaded = false;
        try {
            var description = new ModelLoader(model, described, options, device, program).load(progress);
            stages.ended("weights");
            program.useThreads(threads);
            var decoder =
                    new TorchDecoder(program, description, options.deterministic() && !program.rowsAreIndependent());
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

    /// Several threads wait for each other longer than one thread takes to repack a small model. The tokenizer and
    /// Camel start at the same time.
    private static int loadingThreads(StoredModel model) {
        return model.tensorBytes() <= ONE_THREAD_BYTES ? 1 : Integer.MAX_VALUE;
    }

    @Override
    public DecoderDescription description() {
        return description;
    }

    @Override
    public void prefill(int slot, int[] ids, int start) {
        checkChunk(slot, ids, start);
        program.beforePrompt(ids.length, slot == 0);
        program.prefill(ids, slot, start);
    }

    @Override
    public int prefillLast(int slot, int[] ids, int start, SamplingParameters sampling) {
        checkChunk(slot, ids, start);
        program.beforePrompt(ids.length, slot == 0);
        var uniform = DecodeCall.uniform(sampling.seed(), start + ids.length - 1);
        var numbers = new double[] {sampling.temperature(), sampling.topP(), sampling.minP(), uniform};
        var sampled = !sampling.isGreedy();
        return program.prefillLast(ids, slot, start, sampling.topK(), numbers, sampled, DecodeCall.filters(sampling));
    }

    @Override
    public int[] decodeBeside(DecodeBatch batch, List<PromptPart> parts) {
        checkBatch(batch, 1);
        for (var part : parts) {
            checkChunk(part.slot(), part.ids(), part.start());
            if (part.slot() < batch.rows()) {
                throw new IllegalArgumentException("slot " + part.slot() + " takes a prompt while it decodes");
            }
        }
        var tokens = 0;
        for (var part : parts) {
            program.addChunk(part);
            tokens += part.ids().length;
        }
        program.beforePrompt(tokens, false);
        return decode(batch, 1);
    }

    @Override
    public int[] decode(DecodeBatch batch, int steps) {
        checkBatch(batch, steps);
        var call = DecodeCall.of(batch, steps);
        int[] tokens;
        if (batch.isSteered()) {
            var processing = new LogitProcessing(batch, description.vocabularySize());
            tokens = processing.read(program.decodeSteered(call, processing.arguments()));
        } else {
            tokens = program.decode(call);
        }
        program.afterStep(batch.rows());
        return tokens;
    }

    @Override
    public void copySlot(int from, int to, int length) {
        checkSlots(from, to, length);
        program.copySlot(from, to, length);
    }

    @Override
    public void moveSlot(int from, int to, int length) {
        checkSlots(from, to, length);
        program.moveSlot(from, to, length);
    }

    @Override
    public void swapSlots(int a, int b, int length) {
        checkSlots(a, b, length);
        program.swapSlots(a, b, length);
    }

    private void checkSlots(int a, int b, int length) {
        checkSlot(a);
        checkSlot(b);
        if (length < 0 || length > description.contextLength()) {
            throw new IllegalArgumentException(
                    "length is " + length + "; a slot holds 0 to " + description.contextLength());
        }
    }

    @Override
    public int leastPromptTokens() {
        return program.leastPromptTokens();
    }

    @Override
    public boolean deterministic() {
        return deterministic;
    }

    @Override
    public void rest() {
        program.rest();
        FreedMemory.giveBack();
    }

    /// As [#prefill]; the logits after the last token.
    float[] prefillLogits(int slot, int[] ids, int start) {
        checkChunk(slot, ids, start);
        program.beforePrompt(ids.length, slot == 0);
        return program.prefillLogits(ids, slot, start);
    }

    /// A decode step; the logits by row.
    float[] decodeLogits(int[] tokens, int[] positions) {
        return program.decodeLogits(tokens, positions);
    }

    /// The bytes of weights that a step of one row reads.
    long stepBytes() {
        return program.stepBytes();
    }

    @Override
    public void close() {
        program.close();
    }

    // A call whose arguments are outside of the vocabulary, slots or context would make the program read and write
    // outside of its memory.

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

    private void checkToken(int id) {
        if (id < 0 || id >= description.vocabularySize()) {
            throw new IllegalArgumentException(
                    "token is " + id + "; it must be 0 to " + (description.vocabularySize() - 1));
        }
    }
}
