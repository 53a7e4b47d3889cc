package dev.llmworker.weights;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;

/// Reads the header of a mapped file from front to back. Every read and every allocation is first checked against
/// the remaining bytes of the file.
final class Cursor {
    /// The largest header in bytes. The longest known, of models with 260,000 tokens, take 16 MiB.
    static final long MAX_HEADER_BYTES = 64L << 20;

    private final Path file;
    private final long fileBytes;
    /// A buffer instead of the segment: a start reads 100,000 strings with code that is not compiled yet.
    private final ByteBuffer header;

    /// Receives the bytes of a string; nearly all strings are shorter.
    private final byte[] scratch = new byte[256];

    private String part = "the header";

    Cursor(Path file, MemorySegment mapping) {
        this.file = file;
        this.fileBytes = mapping.byteSize();
        this.header = mapping.asSlice(0, Math.min(fileBytes, MAX_HEADER_BYTES))
                .asByteBuffer()
                .order(ByteOrder.LITTLE_ENDIAN);
    }

    /// Names the part that is read next, for error messages.
    void enter(String part) {
        this.part = part;
    }

    long offset() {
        return header.position();
    }

    int int32() throws ModelFileException {
        require(Integer.BYTES);
        return header.getInt();
    }

    /// Unsigned values above the largest long become negative.
    long int64() throws ModelFileException {
        require(Long.BYTES);
        return header.getLong();
    }

    /// A count of things that take at least `leastBytes` each and must fit into the rest of the file.
    int count(String things, int leastBytes, int limit) throws ModelFileException {
        var start = offset();
        var count = int64();
        var room = Math.min(limit, (fileBytes - offset()) / leastBytes);
        if (count < 0 || count > room) {
            var reason = room == limit
                    ? "the limit is " + limit
                    : "the file, of " + fileBytes + " bytes, has room for at most " + room;
            throw failure("has " + Long.toUnsignedString(count) + " " + things + " at byte " + start + "; " + reason);
        }
        return (int) count;
    }

    /// A length, then as many bytes of UTF-8.
    String string() throws ModelFileException {
        var text = text();
        if (text.malformedAt() >= 0) {
            throw failure(text.problem());
        }
        return text.text();
    }

    /// Like [#string()], but whoever reads the text refuses it if it is not UTF-8: many texts are read by nobody.
    Value.Text text() throws ModelFileException {
        var start = offset();
        var length = int64();
        if (length < 0 || length > fileBytes - offset()) {
            throw failure("has a string of " + Long.toUnsignedString(length) + " bytes at byte " + start
                    + "; the file ends at byte " + fileBytes);
        }
        require(length);
        var size = (int) length;
        var bytes = size <= scratch.length ? scratch : new byte[size];
        header.get(bytes, 0, size);
        var text = new String(bytes, 0, size, StandardCharsets.UTF_8);
        // Malformed bytes become U+FFFD, which encodes to other bytes.
        if (text.indexOf('\uFFFD') >= 0) {
            var encoded = text.getBytes(StandardCharsets.UTF_8);
            if (!Arrays.equals(bytes, 0, size, encoded, 0, encoded.length)) {
                return new Value.Text(text, start);
            }
        }
        return new Value.Text(text);
    }

    /// A copy of the next bytes.
    byte[] bytes(long count) throws ModelFileException {
        require(count);
        var bytes = new byte[(int) count];
        header.get(bytes);
        return bytes;
    }

    /// @param problem what is wrong with the current part
    ModelFileException failure(String problem) {
        return new ModelFileException(file, part + " " + problem);
    }

    private void require(long bytes) throws ModelFileException {
        if (bytes <= header.remaining()) {
            return;
        }
        var end = offset() + bytes;
        if (end > fileBytes) {
            throw new ModelFileException(
                    file,
                    "is truncated: it ends at byte " + fileBytes + ", and " + part + " needs bytes " + offset() + " to "
                            + end);
        }
        throw failure("reaches to byte " + end + "; the limit of a header is " + MAX_HEADER_BYTES + " bytes");
    }
}
