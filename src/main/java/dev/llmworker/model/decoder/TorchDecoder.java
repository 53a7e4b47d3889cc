package dev.llmworker.model.decoder;

import ai.djl.Device;
import dev.llmworker.model.DecoderDescription;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.LayerState;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.Pooling;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.model.device.Devices;
import dev.llmworker.model.device.FreedMemory;
import dev.llmworker.model.device.Libtorch;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.Stages;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/// The decoder of a stored model in libtorch, by one of the three [DecoderProgram]s.
///
/// Threading: as [Decoder]; [#load] counts as a call.
public final class TorchDecoder implements Decoder {
    private static final long ONE_THREAD_BYTES = 256L << 20;

    private final DecoderProgram program;
    private final DecoderDescription description;
    private final Device device;
    private final boolean deterministic;
    private final PromptSizes prompts;
    private final SlotStates states;
    private final CacheRoom room;
    private final boolean bidirectional;
    private final @Nullable SlotCopies copies;

    private TorchDecoder(
            DecoderProgram program,
            ModelLoader.Loaded loaded,
            Device device,
            boolean deterministic,
            boolean bidirectional) {
        this.program = program;
        this.device = device;
        this.description = loaded.description();
        this.states = new SlotStates(loaded.states(), description.slots());
        this.room = program.room();
        this.prompts = loaded.prompts();
        this.deterministic = deterministic;
        this.bidirectional = bidirectional;
        this.copies = loaded.copiesBytes() == 0
                ? null
                : ProgramCopies.of(
                        program,
                        room,
                        states,
                        loaded.states(),
                        loaded.cache(),
                        loaded.copiesFormat(),
                        loaded.copiesBytes());
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
        var ready = false;
        try {
            var loaded = new ModelLoader(model, described, options, device, program).load(progress);
            stages.ended("weights");
            program.useThreads(threads);
            var decoder = new TorchDecoder(
                    program,
                    loaded,
                    device,
                    options.deterministic() && !program.rowsAreIndependent(),
                    described.isBidirectional());
            new WarmUp(decoder).run();
            stages.ended("first run");
            ready = true;
            return decoder;
        } finally {
            if (!ready) {
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
        var part = lastPiece(slot, ids, start);
        program.prefill(part.ids(), slot, part.start());
    }

    @Override
    public int prefillLast(int slot, int[] ids, int start, SamplingParameters sampling) {
        var part = lastPiece(slot, ids, start);
        var uniform = DecodeCall.uniform(sampling.seed(), start + ids.length - 1);
        var numbers = new double[] {sampling.temperature(), sampling.topP(), sampling.minP(), uniform};
        var sampled = !sampling.isGreedy();
        return program.prefillLast(
                part.ids(), slot, part.start(), sampling.topK(), numbers, sampled, DecodeCall.filters(sampling));
    }

    @Override
    public CacheRoom room() {
        return room;
    }

    private void reserve(int slot, int start, int end) {
        if (!room.reserve(slot, start, end)) {
            throw new OutOfMemoryException(
                    "the KV cache has no room for positions " + start + " to " + end + " of slot " + slot, null);
        }
    }

    /// Runs what is too long for a call, and returns the piece that is left.
    private PromptPart lastPiece(int slot, int[] ids, int start) {
        checkChunk(slot, ids, start);
        reserve(slot, start, start + ids.length);
        program.beforePrompt(ids.length, slot == 0);
        var done = 0;
        while (!states.areComplete() && ids.length - done > LayerState.MOST_TOKENS) {
            var piece = Arrays.copyOfRange(ids, done, done + LayerState.MOST_TOKENS);
            states.advance(slot, start + done, piece.length);
            program.prefill(piece, slot, start + done);
            done += piece.length;
        }
        states.advance(slot, start + done, ids.length - done);
        return new PromptPart(slot, done == 0 ? ids : Arrays.copyOfRange(ids, done, ids.length), start + done);
    }

    @Override
    public int[] decodeBeside(DecodeBatch batch, List<PromptPart> parts) {
        checkBatch(batch, 1);
        for (var part : parts) {
            checkChunk(part.slot(), part.ids(), part.start());
            if (part.slot() < batch.sequences()) {
                throw new IllegalArgumentException("slot " + part.slot() + " takes a prompt while it decodes");
            }
            if (!states.areComplete() && part.ids().length > LayerState.MOST_TOKENS) {
                throw new IllegalArgumentException("a chunk of " + part.ids().length + " tokens beside a step; at most "
                        + LayerState.MOST_TOKENS + " are possible");
            }
        }
        var tokens = 0;
        for (var part : parts) {
            reserve(part.slot(), part.start(), part.start() + part.ids().length);
            states.advance(part.slot(), part.start(), part.ids().length);
            program.addChunk(part);
            tokens += part.ids().length;
        }
        program.beforePrompt(tokens, false);
        return decode(batch, 1);
    }

    @Override
    public int[] decode(DecodeBatch batch, int steps) {
        checkBatch(batch, steps);
        for (var row = 0; row < batch.rows(); row++) {
            reserve(batch.slot(row), batch.position(row), batch.position(row) + steps);
            states.advance(batch.slot(row), batch.position(row), steps);
        }
        var call = DecodeCall.of(batch, steps);
        if (batch.hasDrafts()) {
            program.placeRows(batch.slots());
        }
        int[] tokens;
        if (batch.isSteered()) {
            program.beginSteered(call);
            // Only now the masks of rows with a format are needed. Other threads compute them.
            var processing = new LogitProcessing(batch, description.vocabularySize());
            tokens = processing.read(program.decodeSteered(call, processing.arguments()));
        } else {
            tokens = program.decode(call);
        }
        program.afterStep(batch.rows());
        return tokens;
    }

    @Override
    public void cut(int slot, int length) {
        checkSlots(slot, slot, length);
        if (!states.areComplete()) {
            states.cut(slot, length);
        }
    }

    @Override
    public int mostDrafts() {
        return states.areRecurrent() || bidirectional ? 0 : program.mostDrafts();
    }

    /// Whether tokens see those after them: all of a text then runs in one call, and nothing is generated.
    boolean isBidirectional() {
        return bidirectional;
    }

    /// Makes an encoder of the model. It has the decoder's slots, so use one of the two alone.
    ///
    /// @param model the one that this decoder has loaded, still open
    /// @throws ModelFileException if the model has not what the vectors are made of
    public Encoder encoder(StoredModel model, Pooling pooling) throws ModelFileException {
        return TorchEncoder.of(this, program, model, pooling);
    }

    /// As [DecoderProgram#encode]. Slots that have no part in it lose what they hold.
    float[] encode(List<PromptPart> parts, boolean summed) {
        var used = new BitSet();
        parts.forEach(part -> used.set(part.slot()));
        for (var slot = 0; slot < description.slots(); slot++) {
            if (!used.get(slot)) {
                room.cut(slot, 0);
            }
        }
        for (var part : parts) {
            checkChunk(part.slot(), part.ids(), part.start());
            reserve(part.slot(), part.start(), part.start() + part.ids().length);
            if (bidirectional ? part.start() != 0 : part.ids().length > prompts.alone()) {
                throw new IllegalArgumentException("a part of " + part.ids().length + " tokens from " + part.start()
                        + (bidirectional ? "; it must be a whole text" : "; at most " + prompts.alone()));
            }
            states.advance(part.slot(), part.start(), part.ids().length);
        }
        program.beforePrompt(parts.stream().mapToInt(part -> part.ids().length).sum(), false);
        return program.encode(parts, summed);
    }

    @Override
    public boolean needsKept() {
        return !states.areComplete();
    }

    @Override
    public int reusable(int slot, int length) {
        return states.reusable(slot, length);
    }

    @Override
    public void keep(int slot) {
        checkSlot(slot);
        var copy = states.areComplete() ? 0 : states.copyToReplace(slot);
        if (copy > 0) {
            copyState(slot, 0, slot, copy);
        }
    }

    @Override
    public void copySlot(int from, int to, int length) {
        checkSlots(from, to, length);
        if (from == to) {
            program.cutSlot(to, length);
        } else {
            program.copySlot(from, to, length);
        }
        if (states.areComplete()) {
            return;
        }
        var state = states.stateAt(from, length);
        for (var copy = 1; from != to && copy < LayerState.COPIES; copy++) {
            if (states.hasCopy(from, copy, length)) {
                copyState(from, copy, to, copy);
            } else {
                states.forget(to, copy);
            }
        }
        if (from != to || state != 0) {
            copyState(from, state, to, 0);
        }
        states.cut(to, length);
    }

    private void copyState(int fromSlot, int from, int toSlot, int to) {
        program.copyState(fromSlot, from, toSlot, to);
        states.copied(fromSlot, from, toSlot, to);
    }

    @Override
    public void moveSlot(int from, int to, int length) {
        checkSlots(from, to, length);
        if (states.areComplete()) {
            program.moveSlot(from, to, length);
        } else {
            swapSlots(from, to, length);
        }
    }

    @Override
    public void swapSlots(int a, int b, int length) {
        checkSlots(a, b, length);
        program.swapSlots(a, b, length);
        states.swap(a, b);
    }

    @Override
    public @Nullable SlotCopies copies() {
        return copies;
    }

    @Override
    public boolean rowsAreIndependent() {
        return program.rowsAreIndependent();
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
    public PromptSizes prompts() {
        return prompts;
    }

    @Override
    public boolean canRepeatSteps() {
        return !states.areRecurrent();
    }

    @Override
    public void recover() {
        program.clearChunks();
        FreedMemory.giveBack(device);
    }

    @Override
    public void clearSlot(int slot, int length) {
        checkSlots(slot, slot, length);
        program.clearSlot(slot, length);
    }

    @Override
    public boolean deterministic() {
        return deterministic;
    }

    @Override
    public void rest() {
        program.rest();
        // Only main memory: nobody else uses a GPU, and to take its memory again takes time.
        FreedMemory.giveBack(Device.cpu());
    }

    /// As [#prefill]; the logits after the last token.
    public float[] prefillLogits(int slot, int[] ids, int start) {
        var part = lastPiece(slot, ids, start);
        return program.prefillLogits(part.ids(), slot, part.start());
    }

    /// A decode step; the logits by row.
    public float[] decodeLogits(int[] tokens, int[] positions) {
        for (var row = 0; row < positions.length; row++) {
            reserve(row, positions[row], positions[row] + 1);
            states.advance(row, positions[row], 1);
        }
        return program.decodeLogits(tokens, positions);
    }

    /// The bytes of weights that a step of one row reads.
    public long stepBytes() {
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
        if (batch.rows() < 1 || batch.sequences() > description.slots() || steps < 1) {
            throw new IllegalArgumentException("a batch of " + batch.sequences() + " rows and " + steps
                    + " steps; rows must be 1 to " + description.slots() + ", steps at least 1");
        }
        if (batch.hasDrafts() && (steps > 1 || batch.rows() - batch.sequences() > mostDrafts())) {
            throw new IllegalArgumentException("a batch of " + (batch.rows() - batch.sequences()) + " drafts and "
                    + steps + " steps; at most " + mostDrafts() + " drafts in one step are possible");
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
