package dev.llmworker.model.decoder;

/// What room sequences have in the KV cache. A sequence asks before its positions are written.
///
/// Threading: as [Decoder].
public sealed interface CacheRoom permits CacheRoom.OwnShare, PagePool {
    /// Each slot has room for a whole context of its own.
    CacheRoom OWN_SHARE = new OwnShare();

    /// Makes room for positions `start` to `end`, exclusive, of the sequence in a slot.
    ///
    /// @return false if there is not enough; then nothing has changed
    boolean reserve(int slot, int start, int end);

    /// What the slot holds from position `length` on is not needed any more: others may have its room.
    void cut(int slot, int length);

    /// Exchanges what two slots have reserved, and nothing has been written to yet.
    void swapReserved(int a, int b);

    /// How much room nobody has, in a unit of its own. It only serves to see whether there is more than before.
    int free();

    /// Nothing is ever missing.
    record OwnShare() implements CacheRoom {
        @Override
        public boolean reserve(int slot, int start, int end) {
            return true;
        }

        @Override
        public void cut(int slot, int length) {}

        @Override
        public void swapReserved(int a, int b) {}

        @Override
        public int free() {
            return 0;
        }
    }
}
