package dev.llmworker.engine;

import dev.llmworker.engine.stored.HeldBytes;
import dev.llmworker.engine.stored.HeldState;
import dev.llmworker.engine.stored.StoredPrefix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A cached prefix outside of the slots, in pieces of equal length; the last may be shorter.
///
/// Threading: the engine thread alone.
final class CopiedPrefix {
    /// Whose prefix it is. Others do not get it.
    final String owner;

    final List<HeldBytes> pieces = new ArrayList<>();
    final List<HeldState> states = new ArrayList<>();
    /// Those that are copied, and those that will be.
    int[] ids;
    /// Positions that are copied, from 0 on.
    int length;
    /// As [Sequence#exact()].
    int exact;
    /// How many restores read it.
    int users;
    /// Nobody finds it any more. Its memory is freed when it has no users.
    boolean isDropped;

    long usedNanos;
    /// Has it, or a part of it.
    @Nullable
    StoredPrefix file;

    boolean isWhollyStored;
    /// What it counts in the memory of all.
    long countedBytes;

    CopiedPrefix(String owner, int[] ids) {
        this.owner = owner;
        this.ids = ids;
    }

    static CopiedPrefix of(StoredPrefix file) {
        var copy = new CopiedPrefix(file.owner(), file.ids());
        copy.length = copy.ids.length;
        copy.exact = file.exact();
        copy.pieces.addAll(file.pieces());
        copy.states.addAll(file.states());
        copy.file = file;
        copy.isWhollyStored = true;
        return copy;
    }

    /// How many ids it shares with others from the start; 0 if the owners differ.
    int shared(int[] others, int length, String owner) {
        if (!this.owner.equals(owner)) {
            return 0;
        }
        int most = Math.min(this.length, length);
        int mismatch = Arrays.mismatch(ids, 0, most, others, 0, most);
        return mismatch < 0 ? most : mismatch;
    }

    boolean hasState(int position) {
        return states.stream().anyMatch(kept -> kept.state().position() == position);
    }

    long bytes() {
        return (long) ids.length * Integer.BYTES
                + pieces.stream().mapToLong(HeldBytes::bytes).sum()
                + states.stream().mapToLong(kept -> kept.bytes().bytes()).sum();
    }

    void free() {
        pieces.forEach(HeldBytes::close);
        states.forEach(kept -> kept.bytes().close());
    }
}
