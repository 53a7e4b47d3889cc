package dev.llmworker.hub.download;

import dev.llmworker.hub.progress.Progress;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.regex.Pattern;

/// SHA-256 in lower-case hexadecimal.
public final class Sha256 {
    private static final Pattern HEX = Pattern.compile("[0-9a-f]{64}");
    private static final int CHUNK_BYTES = 1 << 20;

    private Sha256() {}

    public static boolean isOne(String text) {
        return HEX.matcher(text).matches();
    }

    public static MessageDigest digest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    public static String hex(MessageDigest digest) {
        return HexFormat.of().formatHex(digest.digest());
    }

    public static String of(Path file, Progress progress) throws IOException {
        var digest = digest();
        var buffer = ByteBuffer.allocate(CHUNK_BYTES);
        try (var channel = FileChannel.open(file)) {
            progress.stage("checking " + file.getFileName(), channel.size());
            while (channel.read(buffer) >= 0) {
                progress.advanced(buffer.position());
                digest.update(buffer.flip());
                buffer.clear();
            }
        } finally {
            progress.done();
        }
        return hex(digest);
    }
}
