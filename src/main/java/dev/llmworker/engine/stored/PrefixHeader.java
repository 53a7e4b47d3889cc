package dev.llmworker.engine.stored;

import dev.llmworker.model.decoder.SlotCopies.State;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.crypto.Mac;

/// What a file says of its prefix. Numbers are little-endian:
///
///     magic (8), version (4), bytes of the header (4), identity (32), owner (32),
///     exact (4), positions of a piece (4), ids (4), pieces (4), states (4)
///     each id (4)
///     each piece: bytes (8), CRC-32C (4)
///     each state: position (4), farthest (4), bytes (8), CRC-32C (4)
///     HMAC-SHA-256 of all before it, with the folder's salt (32)
///
/// The bytes of the pieces and of the states follow in this order.
///
/// @param owner of whom the prefix is: [PrefixFolder#owner]
/// @param ids of the positions that are copied
/// @param exact as that of a sequence
record PrefixHeader(byte[] owner, int[] ids, int exact, List<Block> pieces, List<StateBlock> states) {
    static final int TAG_BYTES = 32;
    /// Changes with the format.
    static final int VERSION = 1;

    private static final long MAGIC = 0x31_78_66_70_6d_6c_6c_77L;
    private static final int FIXED_BYTES = 8 + 2 * 4 + 2 * TAG_BYTES + 5 * 4;
    private static final int PIECE_BYTES = 8 + 4;
    private static final int STATE_BYTES = 4 + 4 + 8 + 4;
    /// A million ids, and more pieces than they have.
    private static final int MOST_BYTES = 64 << 20;

    /// Bytes in a file.
    ///
    /// @param offset from the file's beginning
    record Block(long offset, long bytes, int crc) {}

    record StateBlock(State state, Block block) {}

    /// What a header of these counts takes.
    static int bytes(int ids, int pieces, int states) {
        return FIXED_BYTES + ids * 4 + pieces * PIECE_BYTES + states * STATE_BYTES + TAG_BYTES;
    }

    private int bytes() {
        return bytes(ids.length, pieces.size(), states.size());
    }

    /// The size of the whole file.
    long fileBytes() {
        return bytes()
                + pieces.stream().mapToLong(Block::bytes).sum()
                + states.stream().mapToLong(kept -> kept.block.bytes).sum();
    }

    ByteBuffer encode(PrefixLayout layout, Mac mac) {
        var to = buffer(new byte[bytes()]);
        to.putLong(MAGIC).putInt(VERSION).putInt(bytes()).put(layout.identity()).put(owner);
        to.putInt(exact).putInt(layout.pieceTokens()).putInt(ids.length).putInt(pieces.size());
        to.putInt(states.size());
        for (var id : ids) {
            to.putInt(id);
        }
        for (var piece : pieces) {
            to.putLong(piece.bytes).putInt(piece.crc);
        }
        for (var kept : states) {
            to.putInt(kept.state.position()).putInt(kept.state.farthest());
            to.putLong(kept.block.bytes).putInt(kept.block.crc);
        }
        mac.update(to.array(), 0, to.position());
        return to.put(mac.doFinal()).flip();
    }

    private static ByteBuffer buffer(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /// How long the header is whose first bytes these are.
    ///
    /// @throws ForeignFileException if it is none, or longer than the file
    static int length(byte[] first, long fileBytes) throws ForeignFileException {
        var from = buffer(first);
        requireOwn(from.remaining() >= 16 && from.getLong() == MAGIC, "it is no file of a prefix");
        requireOwn(from.getInt() == VERSION, "it has another version");
        var length = from.getInt();
        requireOwn(length >= FIXED_BYTES + TAG_BYTES && length <= MOST_BYTES && length <= fileBytes, "it is too short");
        return length;
    }

    /// @param bytes the whole header
    /// @throws ForeignFileException unless a worker with the folder's salt wrote it for this layout
    /// @throws PrefixFileException if the file is damaged
    static PrefixHeader decode(byte[] bytes, long fileBytes, PrefixLayout layout, Mac mac)
            throws ForeignFileException, PrefixFileException {
        var end = length(bytes, fileBytes) - TAG_BYTES;
        requireOwn(bytes.length == end + TAG_BYTES, "it is too short");
        mac.update(bytes, 0, end);
        requireOwn(
                MessageDigest.isEqual(mac.doFinal(), Arrays.copyOfRange(bytes, end, bytes.length)),
                "its header is damaged, or was written with another salt");
        var from = buffer(bytes).slice(16, end - 16).order(ByteOrder.LITTLE_ENDIAN);
        try {
            var header = decode(from, layout, bytes.length);
            require(!from.hasRemaining() && header.fileBytes() == fileBytes, "its size is wrong");
            header.check(layout);
            return header;
        } catch (BufferUnderflowException e) {
            throw new PrefixFileException("its header is too short");
        }
    }

    private static PrefixHeader decode(ByteBuffer from, PrefixLayout layout, int headerBytes)
            throws ForeignFileException, PrefixFileException {
        requireOwn(Arrays.equals(tag(from), layout.identity()), "it is of another model or program");
        var owner = tag(from);
        var exact = from.getInt();
        require(from.getInt() == layout.pieceTokens(), "its pieces have another length");
        var idCount = from.getInt();
        var pieceCount = from.getInt();
        var stateCount = from.getInt();
        require(
                idCount > 0
                        && idCount <= layout.contextLength()
                        && pieceCount == Math.ceilDiv(idCount, layout.pieceTokens())
                        && stateCount >= 0
                        && stateCount <= from.remaining() / STATE_BYTES,
                "its counts are impossible");
        require((long) pieceCount * PIECE_BYTES + idCount * 4L <= from.remaining(), "its header is too short");
        var ids = new int[idCount];
        for (var i = 0; i < idCount; i++) {
            ids[i] = from.getInt();
        }
        long offset = headerBytes;
        var pieces = new ArrayList<Block>();
        for (var i = 0; i < pieceCount; i++) {
            var block = new Block(offset, from.getLong(), from.getInt());
            require(block.bytes == layout.pieceBytes(i, idCount), "a piece has another size");
            pieces.add(block);
            offset += block.bytes;
        }
        var states = new ArrayList<StateBlock>();
        for (var i = 0; i < stateCount; i++) {
            var state = new State(from.getInt(), from.getInt());
            var block = new Block(offset, from.getLong(), from.getInt());
            require(block.bytes == layout.stateBytes(), "a state has another size");
            states.add(new StateBlock(state, block));
            offset += block.bytes;
        }
        return new PrefixHeader(owner, ids, exact, List.copyOf(pieces), List.copyOf(states));
    }

    private void check(PrefixLayout layout) throws PrefixFileException {
        require(exact >= 0 && exact <= ids.length, "its exact positions are impossible");
        require(Arrays.stream(ids).allMatch(id -> id >= 0 && id < layout.vocabulary()), "it has ids of no token");
        require(layout.copies().stateBytes() > 0 || states.isEmpty(), "the model has no states");
        for (var kept : states) {
            var state = kept.state;
            require(
                    state.position() > 0
                            && state.position() <= ids.length
                            && state.farthest() >= state.position()
                            && state.farthest() <= layout.contextLength(),
                    "a state has an impossible position");
        }
    }

    private static byte[] tag(ByteBuffer from) {
        var tag = new byte[TAG_BYTES];
        from.get(tag);
        return tag;
    }

    private static void requireOwn(boolean holds, String problem) throws ForeignFileException {
        if (!holds) {
            throw new ForeignFileException(problem);
        }
    }

    private static void require(boolean holds, String problem) throws PrefixFileException {
        if (!holds) {
            throw new PrefixFileException(problem);
        }
    }
}
