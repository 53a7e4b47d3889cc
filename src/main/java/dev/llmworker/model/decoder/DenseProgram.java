package dev.llmworker.model.decoder;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import dev.llmworker.model.Attention;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.DeltaNet;
import dev.llmworker.model.Layer;
import dev.llmworker.model.LayerState;
import dev.llmworker.model.MemoryPlan;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.device.Devices;
import dev.llmworker.model.device.Precision;
import dev.llmworker.model.loading.WeightLayout;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.Tensor;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The program for GPUs. All matrices are dense and of one format, and its cache is a [PagePool]. Tests run it on a
/// CPU.
final class DenseProgram implements DecoderProgram {
    private static final Logger LOG = LoggerFactory.getLogger(DenseProgram.class);
    /// As in `kv_cache.py`.
    static final int PAGE_TOKENS = 256;
    /// Likewise: pieces that a step takes at once, and those of them that plain operators take at once.
    private static final int MOST_PIECES = 8192;

    private static final int PLAIN_PIECES = 32;
    /// The flash kernel takes heads of a multiple of 8 values, up to 256.
    private static final int FLASH_DIM_STEP = 8;

    private static final int FLASH_MOST_DIM = 256;
    /// Of each value of a piece, in the worst case: queries and result in the cache's type, and a sum in float32.
    private static final int PIECE_COPIES = 3;
    /// Of each score that no kernel for attention computes: as it is, in float32, with sinks, its weight, and
    /// that in the cache's type.
    private static final int SCORE_BYTES = 5 * Float.BYTES;
    /// Of each position in a ring: it takes three whole numbers to find out which one it is.
    private static final long HELD_BYTES = 3L * Long.BYTES;
    /// What a row of a prompt attends to begins and ends at multiples of this.
    private static final int ALIGNED_POSITIONS = 2 * 64;
    /// Tokens of a prompt that a recurrent layer takes at once, and the products of such a piece with itself.
    private static final long DELTA_PIECE = 64;

    private static final long DELTA_PRODUCTS = 6;
    /// The most bytes of a prompt's mask.
    private static final long MASK_BYTES = 256L << 20;
    /// What unpacking takes at most: 2^23 elements at a time, five copies of them in float32.
    private static final long PIECE_BYTES = 5L * Float.BYTES << 23;

    private final ExportedProgram exported;
    private @Nullable PagePool pool;
    /// Whether attention can run in the flash kernel; known from [#allocate] on.
    private boolean hasFlash;

    DenseProgram(ExportedProgram exported) {
        this.exported = exported;
    }

    @Override
    public ExportedProgram exported() {
        return exported;
    }

    @Override
    public Precision weights(DecoderOptions options, Device device) {
        return options.weights() == Precision.AUTO ? Devices.fastest(device) : options.weights();
    }

    @Override
    public MemoryPlan.Layout layout() {
        return new MemoryPlan.Layout.Pages(PAGE_TOKENS);
    }

    @Override
    public void plan(MemoryPlan plan) {
        int pages = (int) Math.min(Integer.MAX_VALUE, plan.tokens() / PAGE_TOKENS);
        exported.run("take_pages", pages);
        pool = new PagePool(pages, PAGE_TOKENS, plan.slots(), new Pages(exported));
    }

    private PagePool pool() {
        return Objects.requireNonNull(pool, "the cache is not planned yet");
    }

    @Override
    public CacheRoom room() {
        return pool();
    }

    /// The pages of the exported program.
    private record Pages(ExportedProgram exported) implements PagePool.Storage {
        @Override
        public void place(int slot, int first, int[] pages) {
            if (pages.length > 0) {
                exported.run("set_pages", slot, first, longs(pages));
            }
        }

        @Override
        public void copy(int from, int to) {
            exported.run("copy_page", from, to);
        }

        @Override
        public void clear(int[] pages) {
            if (pages.length > 0) {
                exported.run("clear_pages", (Object) longs(pages));
            }
        }

        private static long[] longs(int[] integers) {
            return IntStream.of(integers).asLongStream().toArray();
        }
    }

    /// The kernel for attention is PyTorch's own, and internal to it. So it is tried before anything is planned with
    /// it.
    @Override
    public void allocate() {
        DecoderProgram.super.allocate();
        try {
            hasFlash = exported.test("try_flash");
        } catch (EngineException e) {
            LOG.debug("attention runs in plain operators, because there is no flash kernel here", e);
        }
        if (hasFlash) {
            LOG.info("attention runs in the flash kernel, which gives here what plain operators give");
        }
    }

    @Override
    public void copySlot(int from, int to, int length) {
        pool().copy(from, to, length);
    }

    @Override
    public void cutSlot(int slot, int length) {
        pool().cut(slot, length);
    }

    /// What slot `to` has is still needed, if positions are reserved there.
    @Override
    public void moveSlot(int from, int to, int length) {
        pool().swap(from, to);
    }

    @Override
    public void swapSlots(int a, int b, int length) {
        pool().swap(a, b);
        exported.run("swap_slots", a, b, length);
    }

    @Override
    public void clearSlot(int slot, int length) {
        pool().clear(slot);
        exported.run("clear_slot", slot, length);
    }

    @Override
    public PromptSizes prompts(ModelConfig config, Device device, int contextLength) {
        return device.isGpu() ? promptsOfGpu(config, contextLength, hasFlash) : PromptSizes.OF_CPU;
    }

    /// Without the flash kernel pieces are shorter in long contexts, so that their masks stay small.
    static PromptSizes promptsOfGpu(ModelConfig config, int contextLength, boolean hasFlash) {
        var group = config.attentions()
                .filter(attention -> !(hasFlash && takesFlash(attention, contextLength)))
                .mapToInt(attention -> attention.heads() / attention.kvHeads())
                .max();
        if (group.isEmpty()) {
            return PromptSizes.OF_GPU;
        }
        var rows = MASK_BYTES / Math.max(1, (long) group.getAsInt() * contextLength * Precision.BF16.bytes());
        var most = (int) Math.clamp(Long.highestOneBit(Math.max(1, rows)), LayerState.MOST_TOKENS, Integer.MAX_VALUE);
        return PromptSizes.OF_GPU.atMost(most);
    }

    /// Whether a layer runs in the flash kernel if there is one, as `dense_decoder.py` decides. Then it has no masks.
    private static boolean takesFlash(Attention attention, long contextLength) {
        return attention.state(contextLength) instanceof LayerState.Full
                && attention.cap() == 0
                && !attention.bidirectional()
                && attention.headDim() % FLASH_DIM_STEP == 0
                && attention.headDim() <= FLASH_MOST_DIM;
    }

    /// Some rows of a matrix are copied and unpacked at a time.
    @Override
    public long loadingBytes(long elements) {
        return Math.min(PIECE_BYTES, DecoderProgram.super.loadingBytes(elements));
    }

    @Override
    public boolean readsAhead() {
        return true;
    }

    @Override
    public boolean allocatesLast() {
        return true;
    }

    @Override
    public long scratch(ModelConfig config, int slots, int promptRows, Precision cache, long contextLength) {
        return scratchBytes(config, slots, promptRows, cache, contextLength, hasFlash);
    }

    static long scratchBytes(
            ModelConfig config, int slots, int promptRows, Precision cache, long contextLength, boolean hasFlash) {
        var attentions = config.attentions()
                .filter(attention -> !(hasFlash && takesFlash(attention, contextLength)))
                .toList();
        var scores = attentions.stream()
                .filter(attention -> attention.sinks() || attention.cap() > 0)
                .mapToLong(attention -> {
                    var step = slots * maskedByStep(attention, contextLength);
                    var prompt = promptRows * seenByPrompt(attention, promptRows, contextLength);
                    return attention.heads() * Math.max(step, prompt) * SCORE_BYTES;
                })
                .max()
                .orElse(0);
        // One for each window and group of heads, and whether it is seen.
        var masks = attentions.stream()
                .filter(distinct(attention -> List.of(attention.window(), attention.heads() / attention.kvHeads())))
                .mapToLong(attention -> {
                    var step = slots * maskedByStep(attention, contextLength);
                    var prompt = promptRows * seenByPrompt(attention, promptRows, contextLength);
                    var group = attention.heads() / attention.kvHeads();
                    var held = attention.state(contextLength) instanceof LayerState.Ring ? HELD_BYTES * step : 0;
                    return group * (step + prompt) * (cache.bytes() + 1) + held;
                })
                .sum();
        // A cosine and a sine for each value of a head.
        var turns = config.attentions()
                .filter(attention -> attention.rope() != null)
                .map(attention -> Map.entry(Objects.requireNonNull(attention.rope()), attention.headDim()))
                .distinct()
                .mapToLong(kind -> 2L * kind.getValue() * Float.BYTES * contextLength)
                .sum();
        return scores
                + masks
                + turns
                + pieceBytes(config, slots, cache, contextLength)
                + deltaBytes(config, slots, promptRows);
    }

    /// What attention takes of pages. In a step: copies of a row's queries for each of its pages, and in plain
    /// operators copies of some pages with their scores. In a prompt: a copy of the pages that do not follow each
    /// other.
    static long pieceBytes(ModelConfig config, int slots, Precision cache, long contextLength) {
        var pages = Math.ceilDiv(contextLength, PAGE_TOKENS);
        var pieces = Math.max(Math.min(MOST_PIECES, slots * pages), pages);
        return config.attentions()
                .filter(attention -> attention.state(contextLength) instanceof LayerState.Full)
                .mapToLong(attention -> {
                    long values = (long) (attention.heads() + attention.kvHeads()) * attention.headDim();
                    long step = pieces * values * (PIECE_COPIES - 1) * cache.bytes() + pieces * values * Float.BYTES;
                    long page = 2L * PAGE_TOKENS * attention.kvHeads() * attention.headDim() * cache.bytes();
                    long plain = PLAIN_PIECES * (page + (long) attention.heads() * PAGE_TOKENS * SCORE_BYTES);
                    return Math.max(step + plain, pages * page);
                })
                .max()
                .orElse(0);
    }

    private static <T> Predicate<T> distinct(Function<T, Object> key) {
        var seen = new HashSet<Object>();
        return one -> seen.add(key.apply(one));
    }

    /// Positions that the mask of a row of a step has at most. Only rings have masks in steps.
    private static long maskedByStep(Attention attention, long contextLength) {
        return attention.state(contextLength) instanceof LayerState.Ring ring ? ring.length() : 0;
    }

    /// Positions that a row attends to at most, those that a mask hides included.
    private static long seenByStep(Attention attention, long contextLength) {
        return attention.state(contextLength) instanceof LayerState.Ring ring ? ring.length() : contextLength;
    }

    /// Likewise for a row of a prompt.
    private static long seenByPrompt(Attention attention, int promptRows, long contextLength) {
        var window = attention.window() + promptRows + ALIGNED_POSITIONS;
        return attention.window() > 0 && !(attention.state(contextLength) instanceof LayerState.Ring)
                ? Math.min(window, contextLength)
                : seenByStep(attention, contextLength);
    }

    /// What a recurrent layer takes: in a step a copy of the matrices of all slots, and the inputs of the convolution
    /// three times; in a prompt three copies of one slot's matrices, and the products of a piece with itself.
    private static long deltaBytes(ModelConfig config, int slots, int promptRows) {
        return config.layers().stream()
                .map(Layer::mixer)
                .filter(DeltaNet.class::isInstance)
                .map(DeltaNet.class::cast)
                .mapToLong(delta -> {
                    var matrices = (long) delta.valueWidth() * delta.keyDim();
                    // Queries and keys are there twice for each head of values.
                    var row = 4L * delta.valueHeads() * delta.keyDim() + 2L * delta.valueWidth();
                    var step = slots * (matrices + 3L * delta.kernel() * delta.channels() + row);
                    var piece = DELTA_PRODUCTS * DELTA_PIECE * DELTA_PIECE * delta.valueHeads();
                    var prompt = 3 * matrices + piece + promptRows * (row + 2L * delta.channels());
                    return Math.max(step, prompt) * Float.BYTES;
                })
                .max()
                .orElse(0);
    }

    @Override
    public WeightLayout fewRows(List<Tensor> parts, Precision weights) {
        return WeightLayout.DENSE;
    }

    @Override
    public long embeddingBytes(Tensor embedding, Precision dense) {
        return WeightLayout.DENSE.bytes(embedding, dense);
    }

    /// A model that is on the CPU by mistake gives the same results, only slowly. This check finds it.
    @Override
    public void loaded(StoredModel model, Device device, boolean deterministic) {
        var placement = exported.text("placement");
        if (!placement.equals(Devices.name(device))) {
            throw new IllegalStateException(
                    "libtorch put the model on " + placement + " and not on " + Devices.name(device));
        }
    }
}
