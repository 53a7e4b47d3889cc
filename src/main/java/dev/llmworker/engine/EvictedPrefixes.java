package dev.llmworker.engine;

import dev.llmworker.model.decoder.OutOfMemoryException;
import dev.llmworker.model.decoder.PromptSizes;
import dev.llmworker.model.decoder.SlotCopies;
import dev.llmworker.model.decoder.SlotCopies.State;
import dev.llmworker.model.device.HostMemory;
import dev.llmworker.stats.EngineStats;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Cached prefixes outside of the slots: copies in main memory of what slots hold or held. Together they take at most
/// [SlotCopies#mostBytes()]. If there is no room, those that were used least recently are dropped. As with slots, a
/// prompt only reuses a copy of its own salt.
///
/// Copies are made and brought back in pieces, so that running sequences hardly wait. A copy that is not complete is
/// the copy of a shorter prefix.
///
/// Threading: the engine thread alone.
final class EvictedPrefixes implements AutoCloseable {
    /// A piece takes about a millisecond.
    private static final long PIECE_BYTES = 4L << 20;
    /// What an eviction may still copy while sequences run.
    private static final long AT_ONCE_BYTES = 4 * PIECE_BYTES;
    /// Prompts are compared with one after the other.
    private static final int MOST_COPIES = 1024;

    private static final double WEIGHT_OF_NEWEST = 0.25;
    private static final Logger LOG = LoggerFactory.getLogger(EvictedPrefixes.class);

    private final SlotCopies copies;
    private final PromptSizes cuts;
    private final LongSupplier clock;
    private final EngineStats stats;
    private final int pieceTokens;
    /// The one that was used least recently comes first.
    private final Set<Copy> all = new LinkedHashSet<>();
    private long mostBytes;
    private long heldBytes;
    /// 0 if not measured yet.
    private double copyNanosPerByte;
    private double prefillNanosPerToken;

    EvictedPrefixes(SlotCopies copies, PromptSizes cuts, LongSupplier clock, EngineStats stats) {
        this.copies = copies;
        this.cuts = cuts;
        this.clock = clock;
        this.stats = stats;
        this.mostBytes = copies.mostBytes();
        long stepBytes = Math.max(1, copies.positionBytes(SlotCopies.STEP));
        this.pieceTokens = SlotCopies.STEP * (int) Math.clamp(PIECE_BYTES / stepBytes, 1, 1 << 16);
        hold(0);
    }

    /// A prefix in main memory. Its pieces have [#pieceTokens] positions each; the last may have fewer.
    private static final class Copy {
        final String salt;
        int[] ids;
        /// Positions that are copied, from 0 on.
        int length;
        /// As [Sequence#exact()].
        int exact;

        final List<HostMemory> pieces = new ArrayList<>();
        final List<KeptState> states = new ArrayList<>();
        /// [Restore]s of it that are not over.
        int users;

        Copy(PrefixCache.Past past) {
            this.salt = past.salt();
            this.ids = Arrays.copyOf(past.ids(), past.length());
        }

        /// How many ids it shares with others from the start; 0 if the salts differ.
        int shared(int[] others, int length, String salt) {
            if (!this.salt.equals(salt)) {
                return 0;
            }
            int most = Math.min(this.length, length);
            int mismatch = Arrays.mismatch(ids, 0, most, others, 0, most);
            return mismatch < 0 ? most : mismatch;
        }

        boolean hasState(int position) {
            return states.stream().anyMatch(kept -> kept.state.position() == position);
        }

        long bytes() {
            return (long) ids.length * Integer.BYTES
                    + pieces.stream().mapToLong(HostMemory::bytes).sum()
                    + states.stream().mapToLong(kept -> kept.memory.bytes()).sum();
        }
    }

    private record KeptState(State state, HostMemory memory) {}

    /// A prefix that is copied back into the slot of a sequence.
    final class Restore {
        private final Copy copy;
        private final int length;
        private final @Nullable KeptState state;
        private int exact;
        private int next;

        /// @param state to go on with; null if all layers keep all positions
        private Restore(Copy copy, int length, @Nullable KeptState state) {
            this.copy = copy;
            this.length = length;
            this.exact = cuts.cutBefore(Math.min(length, copy.exact));
            this.state = state;
            copy.users++;
        }

        /// Positions that the slot will hold.
        int length() {
            return length;
        }

        /// The sequence has a slot, and in it perhaps a shorter prefix.
        void begin(Sequence sequence) {
            next = sequence.prefilled() / pieceTokens * pieceTokens;
            exact = sequence.exact() < next ? sequence.exact() : exact;
            stats.recordRestoredPrefix();
        }

        /// Copies one piece. The sequence then has more of its prompt in the cache.
        ///
        /// @return whether there is more
        boolean copyPiece(Sequence sequence, int slot) {
            int start = next;
            // A piece comes back as it was copied. What it has behind the prefix is overwritten later.
            int whole = Math.min(start + pieceTokens, copy.length);
            int end = Math.min(whole, length);
            var piece = copy.pieces.get(start / pieceTokens);
            try {
                timed(piece.bytes(), () -> copies.writePositions(slot, start, whole, piece.segment()));
                if (end == length && state != null) {
                    copies.writeState(slot, state.state, length, state.memory.segment());
                }
            } catch (OutOfMemoryException e) {
                LOG.warn("the rest of a cached prefix is not copied back: {}", e.getMessage());
                return false;
            }
            next = end;
            sequence.reuse(Math.max(sequence.prefilled(), end), Math.min(exact, end));
            return end < length;
        }

        /// Called once, when it is complete or nobody needs it any more.
        void end() {
            copy.users--;
        }
    }

    /// The longest copied prefix of a prompt, if it is longer than what the slots hold, and worth its copying.
    ///
    /// @param onGrid reuse only what the sequence's own chunks would reproduce bit for bit
    /// @param held positions that a slot has
    @Nullable
    Restore find(Sequence sequence, boolean onGrid, int held) {
        @Nullable Copy found = null;
        @Nullable KeptState goesOnWith = null;
        int longest = Math.max(held, PrefixCache.LEAST_TOKENS - 1);
        for (var copy : all) {
            int match = copy.shared(sequence.ids(), sequence.promptLength() - 1, sequence.cacheSalt());
            int most = onGrid ? cuts.cutBefore(Math.min(match, copy.exact)) : match;
            if (copies.stateBytes() == 0 && most > longest) {
                found = copy;
                longest = most;
            }
            for (var kept : copy.states) {
                int usable = copies.reusable(kept.state, most);
                if (usable > longest) {
                    found = copy;
                    longest = usable;
                    goesOnWith = kept;
                }
            }
        }
        if (found == null || !isWorth(longest - held, bytes(longest - held))) {
            return null;
        }
        touch(found);
        return new Restore(found, longest, goesOnWith);
    }

    /// Whether a prefix is not copied yet, and takes too long for [#evict] while sequences run.
    boolean isLate(PrefixCache.Past past, int slot) {
        var copy = copyFor(past, slot);
        if (copy != null && isComplete(copy, past, slot)
                || !isWorthKeeping(past, slot)
                || bytes(past.length()) > mostBytes) {
            return false;
        }
        return bytes(past.length() - (copy == null ? 0 : copy.length)) > AT_ONCE_BYTES;
    }

    /// A slot's prefix is about to be overwritten. What is not copied yet is copied, or some of it.
    ///
    /// @param beside whether sequences run, which wait meanwhile
    void evict(PrefixCache.Past past, int slot, boolean beside) {
        long bytes = 0;
        var copy = copyFor(past, slot);
        while (!beside || bytes < AT_ONCE_BYTES) {
            // A state is one piece, however large it is.
            boolean isState = copy != null && copy.length >= past.length();
            if (!copyPiece(past, slot, true)) {
                break;
            }
            bytes += isState ? Math.max(PIECE_BYTES, copies.stateBytes()) : PIECE_BYTES;
            copy = copyFor(past, slot);
        }
        if (copy != null && copies.stateBytes() > 0 && copy.states.isEmpty() && copy.users == 0) {
            // Nothing can go on from it.
            drop(copy);
        } else if (copy != null) {
            touch(copy);
        }
    }

    /// As [#evict], if only what a slot has behind its first positions is about to be overwritten.
    ///
    /// @param stay how many positions stay
    void evictBehind(PrefixCache.Past past, int slot, int stay, boolean beside) {
        int lost = past.length() - stay;
        var copy = copyFor(past, slot);
        int uncopied = past.length() - (copy == null ? 0 : copy.length);
        if (lost >= PrefixCache.LEAST_TOKENS && uncopied > 0 && isWorth(lost, 2 * bytes(uncopied))) {
            evict(past, slot, beside);
        }
    }

    /// Copies the next piece of a slot's prefix.
    ///
    /// @param drops whether older copies are dropped if there is no room
    /// @return false if it is complete, is not worth it, or finds no room
    boolean copyPiece(PrefixCache.Past past, int slot, boolean drops) {
        var copy = copyFor(past, slot);
        if (copy != null && isComplete(copy, past, slot) || !isWorthKeeping(past, slot)) {
            return false;
        }
        try {
            if (copy != null && copy.length >= past.length()) {
                return copyState(copy, past, slot, drops);
            }
            return copyPositions(copy == null ? new Copy(past) : copy, past, slot, drops);
        } catch (OutOfMemoryException e) {
            LOG.warn("the rest of an evicted prefix is not kept: {}", e.getMessage());
            return false;
        }
    }

    /// The copy of a slot's prefix, or the longest one that it goes on from; null if there is none.
    private @Nullable Copy copyFor(PrefixCache.Past past, int slot) {
        @Nullable Copy found = null;
        for (var copy : all) {
            int shared = copy.shared(past.ids(), past.length(), past.salt());
            if (shared == past.length() && isComplete(copy, past, slot)) {
                return copy;
            }
            if (shared == copy.length
                    && copy.length <= past.length()
                    && (found == null || copy.length > found.length)) {
                found = copy;
            }
        }
        return found;
    }

    private boolean isComplete(Copy copy, PrefixCache.Past past, int slot) {
        return copy.length >= past.length()
                && positions(slot, past.length()).stream().allMatch(copy::hasState);
    }

    /// The positions of the states of a slot.
    private Set<Integer> positions(int slot, int length) {
        return copies.states(slot).stream()
                .map(State::position)
                .filter(position -> position > 0 && position <= length)
                .collect(Collectors.toSet());
    }

    private boolean copyPositions(Copy copy, PrefixCache.Past past, int slot, boolean drops) {
        int index = copy.length / pieceTokens;
        int start = index * pieceTokens;
        int end = Math.min(start + pieceTokens, past.length());
        var piece = filled(
                copies.positionBytes(end - start), copy, past, drops, to -> copies.readPositions(slot, start, end, to));
        if (piece == null) {
            return false;
        }
        long before = all.contains(copy) ? copy.bytes() : 0;
        if (index < copy.pieces.size()) {
            // It was the last one, and had fewer positions.
            copy.pieces.removeLast().close();
        }
        copy.pieces.add(piece);
        copy.exact = copy.exact < start ? copy.exact : Math.max(start, Math.min(past.exact(), end));
        copy.length = end;
        if (!Arrays.equals(copy.ids, 0, copy.ids.length, past.ids(), 0, past.length())) {
            copy.ids = Arrays.copyOf(past.ids(), past.length());
        }
        touch(copy);
        hold(copy.bytes() - before);
        return true;
    }

    private boolean copyState(Copy copy, PrefixCache.Past past, int slot, boolean drops) {
        var states = copies.states(slot);
        var present = positions(slot, past.length());
        int number = IntStream.range(0, states.size())
                .filter(i -> present.contains(states.get(i).position()))
                .filter(i -> !copy.hasState(states.get(i).position()))
                .findFirst()
                .orElseThrow();
        var memory = filled(copies.stateBytes(), copy, past, drops, to -> copies.readState(slot, number, to));
        if (memory == null) {
            return false;
        }
        long before = copy.bytes();
        copy.states.add(new KeptState(states.get(number), memory));
        // The first one stays, as in slots: it is mostly what many prompts begin with.
        copy.states.sort(Comparator.comparingInt(kept -> kept.state.position()));
        for (var old : List.copyOf(copy.states.subList(1, copy.states.size()))) {
            if (!present.contains(old.state.position()) && copy.users == 0) {
                copy.states.remove(old);
                old.memory.close();
            }
        }
        hold(copy.bytes() - before);
        return true;
    }

    /// Memory that a copy of a slot is read into.
    ///
    /// @return null if there is no room
    private @Nullable HostMemory filled(
            long bytes, Copy owner, PrefixCache.Past past, boolean drops, Consumer<MemorySegment> reader) {
        var memory = allocate(Math.max(1, bytes), owner, past, drops);
        if (memory == null) {
            return null;
        }
        boolean ready = false;
        try {
            timed(bytes, () -> reader.accept(memory.segment()));
            ready = true;
            return memory;
        } finally {
            if (!ready) {
                memory.close();
            }
        }
    }

    /// @param owner is not dropped for it
    /// @return null if there is no room
    private @Nullable HostMemory allocate(long bytes, Copy owner, PrefixCache.Past past, boolean drops) {
        // The ids of a new or longer copy count too.
        long more = bytes + (long) past.length() * Integer.BYTES;
        if (owner.bytes() + more > mostBytes) {
            return null;
        }
        while (heldBytes + more > mostBytes || all.size() >= MOST_COPIES) {
            var oldest = all.stream()
                    .filter(copy -> copy != owner && copy.users == 0)
                    .findFirst();
            if (!drops || oldest.isEmpty()) {
                return null;
            }
            drop(oldest.get());
            stats.recordDroppedPrefix();
        }
        var memory = HostMemory.allocate(bytes);
        if (memory == null) {
            mostBytes = heldBytes;
            LOG.warn("there is no memory for more evicted prefixes; {} MB have some", heldBytes / 1_000_000);
        }
        return memory;
    }

    private void drop(Copy copy) {
        all.remove(copy);
        hold(-copy.bytes());
        copy.pieces.forEach(HostMemory::close);
        copy.states.forEach(kept -> kept.memory.close());
    }

    private void touch(Copy copy) {
        all.remove(copy);
        all.add(copy);
    }

    private void hold(long more) {
        heldBytes += more;
        stats.recordEvictedPrefixes(heldBytes, mostBytes);
    }

    private long bytes(int positions) {
        return copies.positionBytes(positions) + copies.stateBytes();
    }

    /// It is copied twice before it saves anything.
    private boolean isWorthKeeping(PrefixCache.Past past, int slot) {
        long states = Math.max(1, positions(slot, past.length()).size()) * copies.stateBytes();
        return past.length() >= PrefixCache.LEAST_TOKENS
                && isWorth(past.length(), 2 * (copies.positionBytes(past.length()) + states));
    }

    /// Whether to copy takes less time than to prefill.
    private boolean isWorth(int tokens, long bytes) {
        return copyNanosPerByte == 0
                || prefillNanosPerToken == 0
                || bytes * copyNanosPerByte < tokens * prefillNanosPerToken;
    }

    /// Tokens of a prompt were prefilled in a call of their own.
    void prefillTook(int tokens, long nanos) {
        prefillNanosPerToken = average(prefillNanosPerToken, (double) nanos / tokens);
    }

    private void timed(long bytes, Runnable copying) {
        long begun = clock.getAsLong();
        copying.run();
        // What a call costs beside its bytes does not count.
        if (bytes >= PIECE_BYTES / 2) {
            copyNanosPerByte = average(copyNanosPerByte, (double) (clock.getAsLong() - begun) / bytes);
        }
    }

    private static double average(double before, double newest) {
        return before == 0 ? newest : before + WEIGHT_OF_NEWEST * (newest - before);
    }

    /// Frees all memory. Nothing is copied any more.
    @Override
    public void close() {
        List.copyOf(all).forEach(this::drop);
        mostBytes = 0;
        hold(0);
    }
}
