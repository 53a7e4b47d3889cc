package dev.llmworker.engine;

import dev.llmworker.model.DecoderDescription;
import dev.llmworker.model.decoder.CacheRoom;
import dev.llmworker.model.decoder.DecodeBatch;
import dev.llmworker.model.decoder.Decoder;
import dev.llmworker.model.decoder.OutOfMemoryException;
import dev.llmworker.model.decoder.PromptPart;
import dev.llmworker.model.decoder.PromptSizes;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.sampling.TokenHistory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.Semaphore;
import java.util.function.BooleanSupplier;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/// A decoder whose next token is a function of everything in its slot's cache: a slot that is mixed up, overwritten or
/// moved wrongly gives another text. It refuses calls that a real one would answer with garbage.
final class FakeDecoder implements Decoder {
    static final int VOCABULARY = 1000;
    static final int END = 2;
    static final long CALL_NANOS = 6_000_000;
    static final long PROMPT_TOKEN_NANOS = 300_000;
    static final long ROW_NANOS = 4_000_000;
    static final int LEAST_PROMPT_TOKENS = 16;
    /// Texts of this seed and larger ones repeat themselves.
    static final long REPEATING_SEED = 100;
    /// Texts of this seed and larger ones repeat themselves without an exception.
    static final long LOOPING_SEED = 200;
    private static final int PERIOD = 12;

    private final int slots;
    private final int contextLength;
    final int[][] cache;
    final int[] cached;
    /// The position of the state that a slot can go on from, if it has states.
    final int[] state;
    private final boolean deterministic;
    /// Whether a slot can only go on from its end and from positions that are kept.
    private final boolean recurrent;
    final List<TreeSet<Integer>> kept = new ArrayList<>();
    final Semaphore rests = new Semaphore(0);
    /// Rests that followed another rest, without a call between.
    int repeatedRests;
    private int callsAtRest = -1;
    int calls;
    boolean rowsAreIndependent;
    int mostDrafts;
    /// That steps have taken.
    int draftTokens;
    long rowNanos = ROW_NANOS;
    long promptTokenNanos = PROMPT_TOKEN_NANOS;
    /// What a draft takes longer than another row.
    long draftNanos;
    /// Whether the history of each row must be what the cache holds.
    boolean checksHistories;
    PromptSizes sizes = PromptSizes.OF_CPU;
    /// Whether the next call fails, because memory runs out.
    BooleanSupplier fails = () -> false;
    int recoveries;
    /// Calls with draft tokens that failed.
    int failedDrafts;
    /// A token whose numbers are not finite.
    int poison = -1;
    private @Nullable FakeCopies copies;
    private @Nullable FakePages pages;
    /// That were copied, either way.
    int pieces;
    int piecesRead;
    long pieceNanos = 1_000_000;
    /// Told what each call would take, in nanoseconds.
    LongConsumer work = _ -> {};
    /// Positions of prompts that went through the model.
    int promptTokens;

    FakeDecoder(int slots, int contextLength) {
        this(slots, contextLength, false);
    }

    FakeDecoder(int slots, int contextLength, boolean deterministic) {
        this(slots, contextLength, deterministic, false);
    }

    FakeDecoder(int slots, int contextLength, boolean deterministic, boolean recurrent) {
        this.recurrent = recurrent;
        this.slots = slots;
        this.contextLength = contextLength;
        this.deterministic = deterministic;
        this.cache = new int[slots][contextLength];
        this.cached = new int[slots];
        this.state = new int[slots];
        for (int slot = 0; slot < slots; slot++) {
            kept.add(new TreeSet<>());
        }
    }

    /// What the sequence after `ids` is, up to an end token or `limit` tokens.
    static int[] expected(int[] ids, SamplingParameters sampling, int limit, boolean ignoreEos) {
        var all = Arrays.copyOf(ids, ids.length + limit);
        int length = ids.length;
        for (int i = 0; i < limit; i++) {
            int token = next(all, length, sampling);
            if (token == END && !ignoreEos) {
                break;
            }
            all[length++] = token;
        }
        return Arrays.copyOfRange(all, ids.length, length);
    }

    /// As attention on a GPU, looks for numbers that are not finite up to the next multiple of 64.
    private int token(int slot, SamplingParameters sampling) {
        if (pages != null) {
            pages.check(slot, cache[slot], cached[slot]);
        }
        int read = Math.min(Math.ceilDiv(cached[slot], 64) * 64, contextLength);
        for (int i = 0; i < read; i++) {
            if (cache[slot][i] == poison) {
                return NO_TOKEN;
            }
        }
        return next(cache[slot], cached[slot], sampling);
    }

    private static int next(int[] ids, int length, SamplingParameters sampling) {
        long hash = sampling.seed();
        for (int i = 0; i < length; i++) {
            hash = (hash ^ ids[i]) * 0x9E3779B97F4A7C15L;
            hash ^= hash >>> 29;
        }
        int token = (int) Long.remainderUnsigned(hash, VOCABULARY);
        // A text that repeats itself, mostly or always.
        boolean repeats = sampling.seed() >= LOOPING_SEED || sampling.seed() >= REPEATING_SEED && token % 10 > 0;
        if (repeats && length >= PERIOD) {
            return ids[length - PERIOD];
        }
        return token < 30 ? END : token;
    }

    @Override
    public DecoderDescription description() {
        return new DecoderDescription(
                "fake",
                "fake",
                VOCABULARY,
                contextLength,
                slots,
                "none",
                "none",
                7,
                Map.of("full", 7L),
                0,
                (long) slots * contextLength);
    }

    @Override
    public void rest() {
        repeatedRests += callsAtRest == calls ? 1 : 0;
        callsAtRest = calls;
        rests.release();
    }

    @Override
    public void prefill(int slot, int[] ids, int start) {
        calls++;
        work.accept(CALL_NANOS + ids.length * promptTokenNanos);
        failNow(() -> write(slot, ids, start));
        put(slot, ids, start);
    }

    private void put(int slot, int[] ids, int start) {
        check(start <= cached[slot], "prefill at " + start + " of slot " + slot);
        goOn(slot, start);
        check(ids.length > 0, "an empty chunk");
        promptTokens += ids.length;
        write(slot, ids, start);
    }

    private void write(int slot, int[] ids, int start) {
        if (pages != null) {
            pages.write(slot, start, ids);
        }
        System.arraycopy(ids, 0, cache[slot], start, ids.length);
        cached[slot] = start + ids.length;
        state[slot] = cached[slot];
    }

    @Override
    public int prefillLast(int slot, int[] ids, int start, SamplingParameters sampling) {
        prefill(slot, ids, start);
        return token(slot, sampling);
    }

    @Override
    public int[] decodeBeside(DecodeBatch batch, List<PromptPart> parts) {
        check(!deterministic && !parts.isEmpty(), parts.size() + " parts of prompts in a step");
        check(parts.size() <= sizes.parts(), parts.size() + " parts of prompts in a step");
        int tokens = 0;
        for (var part : parts) {
            check(part.slot() >= batch.sequences(), "a prompt in slot " + part.slot() + ", which runs");
            tokens += part.ids().length;
        }
        check(tokens <= sizes.beside(), tokens + " tokens of prompts in a step");
        failNow(() -> parts.forEach(part -> write(part.slot(), part.ids(), part.start())));
        parts.forEach(part -> put(part.slot(), part.ids(), part.start()));
        work.accept(tokens * promptTokenNanos);
        return decode(batch, 1);
    }

    @Override
    public int[] decode(DecodeBatch batch, int steps) {
        calls++;
        int rows = batch.rows();
        int drafts = rows - batch.sequences();
        check(rows > drafts && batch.sequences() <= slots, batch.sequences() + " rows");
        check(drafts == 0 || steps == 1 && drafts <= mostDrafts && !recurrent, drafts + " drafts");
        draftTokens += drafts;
        work.accept(CALL_NANOS + rows * rowNanos + drafts * draftNanos);
        failNow(() -> {
            write(0, new int[] {batch.token(0)}, batch.position(0));
            failedDrafts += drafts > 0 ? 1 : 0;
        });
        var tokens = new int[steps * rows];
        for (int row = 0; row < rows; row++) {
            int slot = batch.slot(row);
            int token = batch.token(row);
            check(batch.position(row) <= cached[slot], "position " + batch.position(row) + " of slot " + slot);
            goOn(slot, batch.position(row));
            cached[slot] = batch.position(row);
            for (int step = 0; step < steps; step++) {
                if (pages != null) {
                    pages.write(slot, cached[slot], new int[] {token});
                }
                cache[slot][cached[slot]++] = token;
                checkHistory(batch.history(row), slot);
                token = token(slot, batch.sampling(row));
                tokens[step * rows + row] = token;
            }
            state[slot] = cached[slot];
        }
        return tokens;
    }

    /// Divides the cache into pages. One of them belongs to no slot.
    void pageBy(int pageCount, int pageTokens) {
        pages = new FakePages(pageCount, pageTokens, slots);
    }

    @Override
    public CacheRoom room() {
        return pages == null ? CacheRoom.OWN_SHARE : pages.pool;
    }

    private void checkHistory(@Nullable TokenHistory history, int slot) {
        if (checksHistories && history != null) {
            check(history.length() == cached[slot], "a history of " + history.length());
            for (int i = 0; i < cached[slot]; i++) {
                check(history.token(i) == cache[slot][i], "another history at " + i);
            }
        }
    }

    private void goOn(int slot, int start) {
        if (start == 0) {
            kept.get(slot).clear();
        }
        check(!recurrent || start == 0 || start == state[slot], "to go on from " + start + " in slot " + slot);
    }

    @Override
    public int mostDrafts() {
        return mostDrafts;
    }

    @Override
    public void cut(int slot, int length) {
        check(length > 0 && length < cached[slot], "a cut of slot " + slot + " to " + length);
        cached[slot] = length;
        state[slot] = length;
    }

    @Override
    public boolean rowsAreIndependent() {
        return rowsAreIndependent;
    }

    @Override
    public boolean needsKept() {
        return recurrent;
    }

    @Override
    public int reusable(int slot, int length) {
        if (!recurrent) {
            return Math.min(length, cached[slot]);
        }
        if (state[slot] > 0 && state[slot] <= length) {
            return state[slot];
        }
        var before = kept.get(slot).floor(length);
        return before == null ? 0 : before;
    }

    /// The first position stays; of the others the latest.
    @Override
    public void keep(int slot) {
        var positions = kept.get(slot);
        if (positions.size() == 2 && !positions.contains(state[slot])) {
            positions.pollLast();
        }
        positions.add(state[slot]);
    }

    @Override
    public void copySlot(int from, int to, int length) {
        check(length <= cached[from] && reusable(from, length) == length, "copy of " + length + " from slot " + from);
        if (pages != null && from == to) {
            pages.pool.cut(to, length);
        } else if (pages != null) {
            pages.pool.copy(from, to, length);
        }
        System.arraycopy(cache[from], 0, cache[to], 0, length);
        cached[to] = length;
        state[to] = length;
        var positions = new TreeSet<>(kept.get(from).headSet(length, true));
        kept.get(to).clear();
        kept.get(to).addAll(positions);
    }

    @Override
    public void moveSlot(int from, int to, int length) {
        check(from != to && length <= cached[from], "move of " + length + " from slot " + from);
        if (pages != null) {
            pages.pool.swap(from, to);
        }
        System.arraycopy(cache[from], 0, cache[to], 0, cached[from]);
        cached[to] = cached[from];
        kept.set(to, new TreeSet<>(kept.get(from)));
        kept.get(from).clear();
        state[to] = state[from];
        cached[from] = 0;
        state[from] = 0;
        Arrays.fill(cache[from], VOCABULARY);
    }

    @Override
    public void swapSlots(int a, int b, int length) {
        check(a != b && length > 0 && length <= contextLength, "a swap of " + length + " of " + a + " and " + b);
        if (pages != null) {
            pages.pool.swap(a, b);
        }
        var tokens = Arrays.copyOf(cache[a], length);
        System.arraycopy(cache[b], 0, cache[a], 0, length);
        System.arraycopy(tokens, 0, cache[b], 0, length);
        int count = Math.min(cached[a], length);
        cached[a] = Math.min(cached[b], length);
        cached[b] = count;
        int position = state[a];
        state[a] = state[b];
        state[b] = position;
        Collections.swap(kept, a, b);
    }

    @Override
    public PromptSizes prompts() {
        return sizes;
    }

    @Override
    public boolean canRepeatSteps() {
        return !recurrent;
    }

    @Override
    public void recover() {
        recoveries++;
    }

    @Override
    public void clearSlot(int slot, int length) {
        check(length <= contextLength, "to clear " + length + " of slot " + slot);
        if (pages != null) {
            pages.pool.clear(slot);
        }
        Arrays.fill(cache[slot], 0, length, 0);
        cached[slot] = 0;
        state[slot] = 0;
        kept.get(slot).clear();
    }

    /// Copies of slots may take so many bytes; 0 if there are none.
    void copyUpTo(long bytes) {
        copyUpTo(bytes, FakeCopies.POSITION_BYTES);
    }

    void copyUpTo(long bytes, long bytesPerPosition) {
        copies = bytes == 0 ? null : new FakeCopies(this, bytes, bytesPerPosition);
    }

    @Override
    public @Nullable FakeCopies copies() {
        return copies;
    }

    void copying(Runnable half) {
        pieces++;
        work.accept(pieceNanos);
        failNow(half);
    }

    /// A call that fails has written some of what it would have written.
    private void failNow(Runnable half) {
        if (fails.getAsBoolean()) {
            half.run();
            throw new OutOfMemoryException("out of memory (injected)", new IllegalStateException());
        }
    }

    @Override
    public boolean deterministic() {
        return deterministic;
    }

    @Override
    public void close() {}

    void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError("the scheduler asked for " + what + "; cached: " + Arrays.toString(cached));
        }
    }
}
