package dev.llmworker.engine;

import dev.llmworker.engine.stored.HeldBytes;
import dev.llmworker.engine.stored.HeldState;
import dev.llmworker.engine.stored.PrefixFileException;
import dev.llmworker.engine.stored.PrefixFolder;
import dev.llmworker.engine.stored.PrefixLayout;
import dev.llmworker.engine.stored.PrefixSourceException;
import dev.llmworker.engine.stored.StoredPrefix;
import dev.llmworker.model.decoder.OutOfMemoryException;
import dev.llmworker.model.decoder.PromptSizes;
import dev.llmworker.model.decoder.SlotCopies;
import dev.llmworker.model.decoder.SlotCopies.State;
import dev.llmworker.model.device.HostMemory;
import dev.llmworker.stats.EngineStats;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.ClosedByInterruptException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Cached prefixes outside of the slots: copies in main memory of what slots hold or held, and those that an earlier
/// process wrote to a folder. Together they take at most [SlotCopies#mostBytes()]. If there is no room, those that were
/// used least recently are dropped, and first those of owners that have more than their share. As with slots, a prompt
/// only reuses a copy of its own salt.
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

    /// What was not used for so long has no share of the room any more.
    private static final long PROTECTED_NANOS = Duration.ofMinutes(30).toNanos();

    private static final long MOST_AGE_SECONDS = Duration.ofDays(3650).toSeconds();
    private static final double WEIGHT_OF_NEWEST = 0.25;
    private static final Logger LOG = LoggerFactory.getLogger(EvictedPrefixes.class);

    private final SlotCopies copies;
    private final PromptSizes cuts;
    private final LongSupplier clock;
    private final EngineStats stats;
    private final int pieceTokens;
    /// The one that was used least recently comes first.
    private final Set<CopiedPrefix> all = new LinkedHashSet<>();

    private @Nullable PrefixFolder folder;
    private @Nullable PrefixLayout layout;
    private long mostBytes;
    private long heldBytes;
    /// 0 if not measured yet.
    private double copyNanosPerByte;
    /// Of pieces that are read from files; 0 if not measured yet.
    private double fileNanosPerByte;

    private double prefillNanosPerToken;
    /// The process ends: what is dropped now keeps its file.
    private boolean isEnding;

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

    /// Finds the prefixes of an earlier process, and will write those of this one.
    ///
    /// @param vocabulary ids are smaller
    /// @param contextLength the most positions
    void storeIn(PrefixFolder folder, int vocabulary, int contextLength) {
        var identity = folder.identity(copies.format() + "\0" + cuts + "\0" + pieceTokens + "\0" + copies.stateBytes());
        this.folder = folder;
        this.layout = new PrefixLayout(identity, pieceTokens, vocabulary, contextLength, copies);
        List<CopiedPrefix> found = new ArrayList<>();
        long bytes = 0;
        for (var file : folder.read(layout)) {
            var copy = CopiedPrefix.of(file);
            if (bytes + copy.bytes() > mostBytes || found.size() >= MOST_COPIES) {
                // Its file stays until others need its room.
                continue;
            }
            bytes += copy.bytes();
            found.add(copy);
        }
        for (var copy : found.reversed()) {
            touch(copy);
            copy.usedNanos -= ageNanos(Objects.requireNonNull(copy.file));
            count(copy);
        }
    }

    /// How long nobody has used a file. Clocks may differ.
    private static long ageNanos(StoredPrefix file) {
        var age = Duration.between(file.used(), Instant.now());
        return age.isNegative() ? 0 : Math.min(age.toSeconds(), MOST_AGE_SECONDS) * 1_000_000_000;
    }

    boolean isStored() {
        return folder != null;
    }

    private String owner(String salt) {
        return folder == null ? salt : folder.owner(salt);
    }

    /// A prefix that is copied back into the slot of a sequence.
    final class Restore {
        private final CopiedPrefix copy;
        private final int length;
        private final @Nullable HeldState state;
        private final boolean onGrid;
        private int exact;
        private int next;

        /// @param state to go on with; null if all layers keep all positions
        /// @param onGrid as in [#find]
        private Restore(CopiedPrefix copy, int length, @Nullable HeldState state, boolean onGrid) {
            this.copy = copy;
            this.length = length;
            this.exact = cuts.cutBefore(Math.min(length, copy.exact));
            this.state = state;
            this.onGrid = onGrid;
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

        /// Copies one piece, or after the last one the state. The sequence then has more of its prompt in the cache.
        ///
        /// @return whether there is more
        boolean copyPiece(Sequence sequence, int slot) {
            try {
                if (next >= length) {
                    copyState(slot);
                    return false;
                }
                int start = next;
                // A piece comes back as it was copied. What it has behind the prefix is overwritten later.
                int whole = Math.min(start + pieceTokens, copy.length);
                int end = Math.min(whole, length);
                var piece = copy.pieces.get(start / pieceTokens);
                timed(piece, () -> piece.use(segment -> copies.writePositions(slot, start, whole, segment)));
                next = end;
                sequence.reuse(Math.max(sequence.prefilled(), end), Math.min(exact, end));
                return end < length || state != null;
            } catch (OutOfMemoryException e) {
                LOG.warn("the rest of a cached prefix is not copied back: {}", e.getMessage());
            } catch (ClosedByInterruptException e) {
                LOG.debug("the engine is stopping", e);
            } catch (PrefixFileException e) {
                LOG.warn(
                        "the rest of a cached prefix is not copied back, and {} is deleted: {}",
                        copy.file,
                        e.getMessage());
                delete(copy);
            } catch (IOException e) {
                LOG.warn("the rest of a cached prefix is not copied back from {}: {}", copy.file, e.toString());
                forget(copy);
            }
            return false;
        }

        private void copyState(int slot) throws IOException {
            if (state != null) {
                state.bytes().use(segment -> copies.writeState(slot, state.state(), length, segment));
            }
        }

        /// What the sequence can go on with, of what was copied.
        ///
        /// @param usable positions from which its slot can go on
        int reusable(int usable, int exact) {
            return onGrid ? cuts.cutBefore(Math.min(usable, exact)) : usable;
        }

        /// Called once, when it is complete or nobody needs it any more.
        void end() {
            copy.users--;
            if (copy.isDropped && copy.users == 0) {
                copy.free();
            }
        }
    }

    /// The longest copied prefix of a prompt, if it is longer than what the slots hold, and worth its copying.
    ///
    /// @param onGrid reuse only what the sequence's own chunks would reproduce bit for bit
    /// @param held positions that a slot has
    @Nullable
    Restore find(Sequence sequence, boolean onGrid, int held) {
        @Nullable CopiedPrefix found = null;
        @Nullable HeldState goesOnWith = null;
        var owner = owner(sequence.cacheSalt());
        int longest = Math.max(held, PrefixCache.LEAST_TOKENS - 1);
        for (var copy : all) {
            int match = copy.shared(sequence.ids(), sequence.prefillLength() - 1, owner);
            int most = onGrid ? cuts.cutBefore(Math.min(match, copy.exact)) : match;
            if (copies.stateBytes() == 0 && most > longest) {
                found = copy;
                longest = most;
            }
            for (var kept : copy.states) {
                int usable = copies.reusable(kept.state(), most);
                if (usable > longest) {
                    found = copy;
                    longest = usable;
                    goesOnWith = kept;
                }
            }
        }
        if (found == null || !isWorthRestoring(found, goesOnWith, held, longest)) {
            return null;
        }
        touch(found);
        return new Restore(found, longest, goesOnWith, onGrid);
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
        evict(past, slot, beside ? AT_ONCE_BYTES : Long.MAX_VALUE, () -> false);
    }

    /// As [#evict], when the process ends. The files of copies that are dropped for it stay until others need their
    /// room.
    ///
    /// @param isTimeUp is asked between pieces
    void copyToStore(PrefixCache.Past past, int slot, BooleanSupplier isTimeUp) {
        isEnding = true;
        evict(past, slot, Long.MAX_VALUE, isTimeUp);
    }

    private void evict(PrefixCache.Past past, int slot, long mostBytesNow, BooleanSupplier isTimeUp) {
        long bytes = 0;
        var copy = copyFor(past, slot);
        while (bytes < mostBytesNow && !isTimeUp.getAsBoolean()) {
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
            return copyPositions(copy == null ? copyOf(past) : copy, past, slot, drops);
        } catch (OutOfMemoryException e) {
            LOG.warn("the rest of an evicted prefix is not kept: {}", e.getMessage());
            return false;
        }
    }

    private CopiedPrefix copyOf(PrefixCache.Past past) {
        return new CopiedPrefix(owner(past.salt()), Arrays.copyOf(past.ids(), past.length()));
    }

    /// The copy of a slot's prefix, or the longest one that it goes on from; null if there is none.
    private @Nullable CopiedPrefix copyFor(PrefixCache.Past past, int slot) {
        @Nullable CopiedPrefix found = null;
        var owner = owner(past.salt());
        for (var copy : all) {
            int shared = copy.shared(past.ids(), past.length(), owner);
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

    private boolean isComplete(CopiedPrefix copy, PrefixCache.Past past, int slot) {
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

    private boolean copyPositions(CopiedPrefix copy, PrefixCache.Past past, int slot, boolean drops) {
        int index = copy.length / pieceTokens;
        int start = index * pieceTokens;
        int end = Math.min(start + pieceTokens, past.length());
        var piece = filled(
                copies.positionBytes(end - start), copy, past, drops, to -> copies.readPositions(slot, start, end, to));
        if (piece == null) {
            return false;
        }
        if (index < copy.pieces.size()) {
            // It was the last one, and had fewer positions.
            copy.pieces.removeLast().close();
        }
        copy.pieces.add(piece);
        copy.isWhollyStored = false;
        copy.exact = copy.exact < start ? copy.exact : Math.max(start, Math.min(past.exact(), end));
        copy.length = end;
        if (!Arrays.equals(copy.ids, 0, copy.ids.length, past.ids(), 0, past.length())) {
            copy.ids = Arrays.copyOf(past.ids(), past.length());
        }
        touch(copy);
        count(copy);
        return true;
    }

    private boolean copyState(CopiedPrefix copy, PrefixCache.Past past, int slot, boolean drops) {
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
        copy.states.add(new HeldState(states.get(number), memory));
        copy.isWhollyStored = false;
        // The first one stays, as in slots: it is mostly what many prompts begin with.
        copy.states.sort(Comparator.comparingInt(kept -> kept.state().position()));
        for (var old : List.copyOf(copy.states.subList(1, copy.states.size()))) {
            if (!present.contains(old.state().position()) && copy.users == 0) {
                copy.states.remove(old);
                old.bytes().close();
            }
        }
        count(copy);
        return true;
    }

    /// Memory that a copy of a slot is read into.
    ///
    /// @return null if there is no room
    private @Nullable HeldBytes filled(
            long bytes, CopiedPrefix owner, PrefixCache.Past past, boolean drops, Consumer<MemorySegment> reader) {
        var memory = allocate(Math.max(1, bytes), owner, past, drops);
        if (memory == null) {
            return null;
        }
        boolean ready = false;
        try {
            var held = new HeldBytes.InMemory(memory);
            timed(held, () -> reader.accept(memory.segment()));
            ready = true;
            return held;
        } finally {
            if (!ready) {
                memory.close();
            }
        }
    }

    /// @param owner is not dropped for it
    /// @return null if there is no room
    private @Nullable HostMemory allocate(long bytes, CopiedPrefix owner, PrefixCache.Past past, boolean drops) {
        // The ids of a new or longer copy count too.
        long more = bytes + (long) past.length() * Integer.BYTES;
        if (owner.bytes() + more > mostBytes) {
            return null;
        }
        while (heldBytes + more > mostBytes || all.size() >= MOST_COPIES) {
            var next = drops ? nextToDrop(owner, more) : null;
            if (next == null) {
                return null;
            }
            drop(next);
            stats.recordDroppedPrefix();
        }
        var memory = HostMemory.allocate(bytes);
        if (memory == null) {
            mostBytes = heldBytes;
            LOG.warn("there is no memory for more evicted prefixes; {} MB have some", heldBytes / 1_000_000);
        }
        return memory;
    }

    /// The copy that was used least recently, of those whose owner has more than its share. Each owner of copies that
    /// were used of late has the same share.
    ///
    /// @param grows stays; its owner will have `more` bytes
    private @Nullable CopiedPrefix nextToDrop(CopiedPrefix grows, long more) {
        long now = clock.getAsLong();
        Map<String, Long> bytes = new HashMap<>(Map.of(grows.owner, more));
        Map<String, Integer> counts = new HashMap<>(Map.of(grows.owner, 1));
        for (var copy : all) {
            if (now - copy.usedNanos <= PROTECTED_NANOS) {
                bytes.merge(copy.owner, copy.countedBytes, Long::sum);
                counts.merge(copy.owner, 1, Integer::sum);
            }
        }
        long share = mostBytes / bytes.size();
        int countShare = MOST_COPIES / counts.size();
        var unused =
                all.stream().filter(copy -> copy != grows && copy.users == 0).toList();
        return unused.stream()
                .filter(copy -> now - copy.usedNanos > PROTECTED_NANOS
                        || bytes.getOrDefault(copy.owner, 0L) > share
                        || counts.getOrDefault(copy.owner, 0) > countShare)
                .findFirst()
                .orElse(null);
    }

    /// Nobody finds it any more. Its file stays.
    private void forget(CopiedPrefix copy) {
        if (copy.isDropped) {
            return;
        }
        copy.isDropped = true;
        all.remove(copy);
        hold(-copy.countedBytes);
        if (copy.users == 0) {
            copy.free();
        }
    }

    /// It makes room for another one.
    private void drop(CopiedPrefix copy) {
        if (isEnding) {
            forget(copy);
        } else {
            delete(copy);
        }
    }

    /// Nobody finds it any more, nor does a later process.
    private void delete(CopiedPrefix copy) {
        forget(copy);
        if (folder != null && copy.file != null) {
            folder.delete(copy.file);
        }
    }

    /// The numbers of a sequence are not finite. Copies that it may have them from are dropped.
    void forgetLike(Sequence sequence) {
        var owner = owner(sequence.cacheSalt());
        for (var copy : List.copyOf(all)) {
            if (copy.shared(sequence.ids(), sequence.cached(), owner) >= PrefixCache.LEAST_TOKENS) {
                delete(copy);
            }
        }
    }

    /// Writes prefixes to the folder, those that were used last first.
    ///
    /// @param isTimeUp is asked between pieces
    void store(BooleanSupplier isTimeUp) {
        if (folder == null || layout == null || all.isEmpty()) {
            return;
        }
        isEnding = true;
        var room = folder.room(mostBytes);
        var now = Instant.now();
        long nowNanos = clock.getAsLong();
        int written = 0, stored = 0;
        long bytes = 0;
        for (var copy : List.copyOf(all).reversed()) {
            if (!copy.isWhollyStored) {
                if (isTimeUp.getAsBoolean() || !write(copy, room, layout, isTimeUp)) {
                    break;
                }
                if (copy.isWhollyStored) {
                    written++;
                    bytes += copy.countedBytes;
                }
            }
            if (copy.file != null && !copy.isDropped) {
                // The milliseconds keep the order of those that were used at the same time.
                folder.used(copy.file, now.minusNanos(nowNanos - copy.usedNanos).minusMillis(stored++));
            }
        }
        LOG.info(
                "{} has {} of {} cached prefixes; {} were written now, with {} MB",
                folder,
                stored,
                all.size(),
                written,
                bytes / 1_000_000);
    }

    /// @return false if no other can be written either
    private boolean write(CopiedPrefix copy, PrefixFolder.Room room, PrefixLayout layout, BooleanSupplier isTimeUp) {
        var prefix = new PrefixFolder.Prefix(
                copy.owner, Arrays.copyOf(copy.ids, copy.length), copy.exact, copy.pieces, copy.states);
        var others = all.stream()
                .filter(one -> one != copy)
                .map(one -> one.file)
                .filter(Objects::nonNull)
                .toList();
        try {
            var file = room.write(prefix, copy.file, others, layout, isTimeUp);
            if (file == null) {
                return !isTimeUp.getAsBoolean();
            }
            copy.file = file;
            copy.isWhollyStored = true;
            return true;
        } catch (PrefixSourceException e) {
            LOG.warn("{} cannot be read, and is not written again: {}", copy.file, String.valueOf(e.getCause()));
            if (e.isDamaged()) {
                delete(copy);
            } else {
                forget(copy);
            }
            return true;
        } catch (IOException e) {
            LOG.warn("cached prefixes are not written to {}: {}", folder, e.toString());
            return false;
        }
    }

    private void touch(CopiedPrefix copy) {
        all.remove(copy);
        all.add(copy);
        copy.usedNanos = clock.getAsLong();
    }

    /// Its size has changed.
    private void count(CopiedPrefix copy) {
        long bytes = copy.bytes();
        hold(bytes - copy.countedBytes);
        copy.countedBytes = bytes;
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

    /// Whether to copy positions and a state back takes less time than to prefill.
    private boolean isWorthRestoring(CopiedPrefix copy, @Nullable HeldState state, int start, int end) {
        double nanos = state == null ? 0 : nanos(state.bytes());
        for (int i = start / pieceTokens; i * pieceTokens < end; i++) {
            nanos += nanos(copy.pieces.get(i));
        }
        return prefillNanosPerToken == 0 || nanos < (end - start) * prefillNanosPerToken;
    }

    /// 0 if not measured yet.
    private double nanos(HeldBytes held) {
        return held.bytes() * (held instanceof HeldBytes.InFile ? fileNanosPerByte : copyNanosPerByte);
    }

    /// Tokens of a prompt were prefilled in a call of their own.
    void prefillTook(int tokens, long nanos) {
        prefillNanosPerToken = average(prefillNanosPerToken, (double) nanos / tokens);
    }

    private interface Copying<E extends Exception> {
        void run() throws E;
    }

    private <E extends Exception> void timed(HeldBytes held, Copying<E> copying) throws E {
        long begun = clock.getAsLong();
        copying.run();
        // What a call costs beside its bytes does not count.
        if (held.bytes() >= PIECE_BYTES / 2) {
            double nanosPerByte = (double) (clock.getAsLong() - begun) / held.bytes();
            if (held instanceof HeldBytes.InFile) {
                fileNanosPerByte = average(fileNanosPerByte, nanosPerByte);
            } else {
                copyNanosPerByte = average(copyNanosPerByte, nanosPerByte);
            }
        }
    }

    private static double average(double before, double newest) {
        return before == 0 ? newest : before + WEIGHT_OF_NEWEST * (newest - before);
    }

    /// Frees all memory, and leaves files. Nothing is copied any more.
    @Override
    public void close() {
        all.forEach(CopiedPrefix::free);
        all.clear();
        mostBytes = 0;
        hold(-heldBytes);
    }
}
