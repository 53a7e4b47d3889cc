package dev.llmworker.model;

import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.weights.Gguf;
import java.io.IOException;
import java.util.Arrays;
import java.util.function.BooleanSupplier;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The decoder of a GGUF model: `decoder.pt` in libtorch.
///
/// Threading: as [Decoder]; [#load] counts as a call.
public final class TorchDecoder implements Decoder {
    private static final Logger LOG = LoggerFactory.getLogger(TorchDecoder.class);

    private final Program program;
    private final DecoderDescription description;
    private final Gguf file;
    private @Nullable ModelLoader rest;

    private TorchDecoder(Program program, DecoderDescription description, Gguf file, @Nullable ModelLoader rest) {
        this.program = program;
        this.description = description;
        this.file = file;
        this.rest = rest;
    }

    /// Loads a model's weights and runs it once, so that the first request does not pay for what libtorch sets up at
    /// first use.
    ///
    /// @param model closed by the decoder, when it needs it no more, or when the load fails
    /// @param progress told how many bytes of the file have been loaded, from time to time
    /// @throws dev.llmworker.weights.ModelFileException when the model is not supported or its tensors do not fit
    /// @throws IllegalArgumentException when the options and the model or machine do not go together
    /// @throws InterruptedException when the thread is interrupted
    public static TorchDecoder load(Gguf model, DecoderOptions options, LongConsumer progress)
            throws IOException, InterruptedException {
        Program program = null;
        var loaded = false;
        var began = System.nanoTime();
        try {
            var device = Devices.of(options.device());
            var threads = options.threads() == 0 ? Runtime.getRuntime().availableProcessors() : options.threads();
            program = new Program(device, threads);
            var libtorchReady = System.nanoTime();
            var loader = new ModelLoader(model, options, device, program, progress);
            loader.loadWeights();
            var weightsReady = System.nanoTime();
            // In a small cache: what the warm-up touches of the real one would stay in memory.
            var length = Math.min(WarmUp.POSITIONS, loader.contextLength());
            new WarmUp(new TorchDecoder(program, loader.allocate(WarmUp.ROWS, length), model, null)).run();
            var description = loader.allocate(options.slots(), loader.contextLength());
            model.unload();
            LOG.info(
                    "libtorch and program {} ms, weights {} ms, warm-up {} ms",
                    (libtorchReady - began) / 1_000_000,
                    (weightsReady - libtorchReady) / 1_000_000,
                    (System.nanoTime() - weightsReady) / 1_000_000);
            loaded = true;
            return new TorchDecoder(program, description, model, loader);
        } finally {
            if (!loaded) {
                model.close();
                if (program != null) {
                    program.close();
                }
            }
        }
    }

    @Override
    public DecoderDescription description() {
        return description;
    }

    @Override
    public void loadRest(BooleanSupplier goOn) throws IOException {
        if (rest != null) {
            rest.loadRest(goOn);
            rest = null;
            file.close();
        }
    }

    @Override
    public void prefill(int slot, int[] ids, int start) {
        checkChunk(slot, ids, start);
        program.run("prefill", longs(ids), slot, start);
    }

    @Override
    public int prefillLast(int slot, int[] ids, int start, SamplingParameters sampling) {
        checkChunk(slot, ids, start);
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
        return program.integers("decode", integers, numbers, steps, anySampled, anyFiltered);
    }

    @Override
    public void copySlot(int from, int to, int length) {
        checkSlot(from);
        checkSlot(to);
        if (length < 0 || length > description.contextLength()) {
            throw new IllegalArgumentException(
                    "length is " + length + "; a slot holds 0 to " + description.contextLength());
        }
        program.run("copy_slot", from, to, length);
    }

    /// As [#prefill]; the logits after the last token.
    float[] prefillLogits(int slot, int[] ids, int start) {
        checkChunk(slot, ids, start);
        return program.floats("prefill_logits", longs(ids), slot, start, false);
    }

    /// A decode step; the logits by row.
    float[] decodeLogits(int[] tokens, int[] positions) {
        return program.floats("decode_logits", longs(tokens), longs(positions));
    }

    @Override
    public void close() {
        program.close();
        file.close();
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
