package dev.llmworker.engine.stored;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32C;
import javax.crypto.Mac;

/// A prefix in a file. Its header was checked; its other bytes are checked when they are read.
public final class StoredPrefix {
    private final Path path;
    private final PrefixHeader header;
    private final Instant used;

    StoredPrefix(Path path, PrefixHeader header, Instant used) {
        this.path = path;
        this.header = header;
        this.used = used;
    }

    /// @param mac with the folder's salt
    /// @throws ForeignFileException unless a worker with the folder's salt wrote it for this layout
    /// @throws PrefixFileException if the file is damaged
    static StoredPrefix open(Path path, PrefixLayout layout, Mac mac) throws IOException {
        try (var channel = channel(path)) {
            var size = channel.size();
            var length = PrefixHeader.length(bytes(channel, Math.min(size, 16)), size);
            var header = PrefixHeader.decode(bytes(channel, length), size, layout, mac);
            return new StoredPrefix(
                    path, header, Files.getLastModifiedTime(path).toInstant());
        }
    }

    private static byte[] bytes(FileChannel channel, long count) throws IOException {
        var bytes = ByteBuffer.allocate((int) count);
        fill(channel, bytes, 0);
        return bytes.array();
    }

    /// A link could lead anywhere.
    private static FileChannel channel(Path path) throws IOException {
        return FileChannel.open(path, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS);
    }

    private static void fill(FileChannel channel, ByteBuffer to, long position) throws IOException {
        var start = to.position();
        while (to.hasRemaining()) {
            if (channel.read(to, position + to.position() - start) < 0) {
                throw new PrefixFileException("it is too short");
            }
        }
    }

    /// Whose prefix it is, as [PrefixFolder#owner].
    public String owner() {
        return HexFormat.of().formatHex(header.owner());
    }

    /// The ids of all its positions.
    public int[] ids() {
        return header.ids();
    }

    public int exact() {
        return header.exact();
    }

    public List<HeldBytes> pieces() {
        return header.pieces().stream()
                .<HeldBytes>map(block -> new HeldBytes.InFile(this, block))
                .toList();
    }

    public List<HeldState> states() {
        return header.states().stream()
                .map(kept -> new HeldState(kept.state(), new HeldBytes.InFile(this, kept.block())))
                .toList();
    }

    /// When it was used last, as far as the file system knows.
    public Instant used() {
        return used;
    }

    public long bytes() {
        return header.fileBytes();
    }

    Path path() {
        return path;
    }

    /// @throws PrefixFileException if the checksum is wrong
    void read(PrefixHeader.Block block, MemorySegment to) throws IOException {
        var crc = new CRC32C();
        try (var channel = channel(path)) {
            for (long done = 0; done < block.bytes(); ) {
                var part = to.asSlice(done, Math.min(PrefixFolder.BUFFER_BYTES, block.bytes() - done))
                        .asByteBuffer();
                fill(channel, part, block.offset() + done);
                done += part.limit();
                crc.update(part.flip());
            }
        }
        if ((int) crc.getValue() != block.crc()) {
            throw new PrefixFileException("a checksum is wrong");
        }
    }

    @Override
    public String toString() {
        return String.valueOf(path.getFileName());
    }
}
