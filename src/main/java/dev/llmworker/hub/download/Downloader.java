package dev.llmworker.hub.download;

import static dev.llmworker.hub.download.WebClient.shown;

import dev.llmworker.hub.progress.Progress;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalLong;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Downloads large files: resumes if the server allows it, retries if that may help, and checks a file before
/// giving it its name.
///
/// Threading: one download at a time for a destination; an interrupt ends it and keeps the bytes so far.
public record Downloader(WebClient web, Backoff backoff, Progress progress) {
    private static final Logger LOG = LoggerFactory.getLogger(Downloader.class);
    private static final Pattern CONTENT_RANGE = Pattern.compile("bytes (\\d{1,18})-(\\d{1,18})/(\\d{1,18})");
    private static final Pattern SECONDS = Pattern.compile("\\d{1,6}");
    /// An attempt that brings this many new bytes does not count as failed: a large file may need many over a
    /// poor connection.
    private static final long NEW_BYTES = 1 << 20;

    /// @throws ModelUnavailableException if no further attempt would help, or none is left
    public void fetch(RemoteFile file, Path destination) throws IOException, InterruptedException {
        var part = new PartFile(destination);
        CacheFolder.created(part.folder());
        var announcedSha256 = fetchPart(file, part);
        var expected = file.sha256() != null ? file.sha256() : announcedSha256;
        if (expected != null) {
            var actual = Sha256.of(part.path(), progress);
            if (!actual.equals(expected)) {
                part.discard();
                throw new ModelUnavailableException(file.name() + " from " + shown(file.address()) + " has sha256 "
                        + actual + ", expected " + expected + "; the file was deleted");
            }
        }
        part.complete();
    }

    /// @return the hash that the server announced; null if it did not
    private @Nullable String fetchPart(RemoteFile file, PartFile part) throws IOException, InterruptedException {
        var failures = 0;
        var furthest = part.bytes();
        while (true) {
            try {
                return attempt(file, part);
            } catch (TransferException e) {
                if (part.bytes() >= furthest + NEW_BYTES) {
                    furthest = part.bytes();
                    failures = 0;
                }
                failures++;
                if (failures >= backoff.attempts()) {
                    throw new ModelUnavailableException(
                            file.name() + ": given up after " + failures + " attempts; the last: " + e.getMessage(), e);
                }
                var waitMillis = backoff.waitMillis(failures, e.retryAfterMillis());
                LOG.warn("{}: {}; trying again in {} s", file.name(), e.getMessage(), waitMillis / 1e3);
                backoff.pause().millis(waitMillis);
            }
        }
    }

    private @Nullable String attempt(RemoteFile file, PartFile part) throws IOException, InterruptedException {
        if (file.bytes().isPresent() && part.bytes() > file.bytes().getAsLong()) {
            part.discard();
        }
        var offset = part.bytes();
        if (file.sha256() != null && file.bytes().equals(OptionalLong.of(offset))) {
            return null;
        }
        try (var answer = web.get(file.address(), rangeHeaders(file, part))) {
            var start = startOf(answer, file, part, offset);
            var total = totalBytes(answer, file, start);
            CacheFolder.requireSpace(part.folder(), total - start, file.name());
            try (var channel =
                    part.open(start, answer.headers().firstValue("ETag").orElse(null))) {
                progress.stage("downloading " + file.name(), total);
                progress.advanced(start);
                copy(answer, channel, file, total);
            } finally {
                progress.done();
            }
            return answer.announcedSha256();
        }
    }

    private static Map<String, String> rangeHeaders(RemoteFile file, PartFile part) throws IOException {
        var headers = new HashMap<>(Map.of("Accept-Encoding", "identity"));
        var etag = part.etag();
        // Resumes only if an ETag or a hash can show that the bytes belong to this file.
        if (part.bytes() > 0 && (etag != null || file.sha256() != null)) {
            headers.put("Range", "bytes=" + part.bytes() + "-");
            if (etag != null) {
                headers.put("If-Range", etag);
            }
        }
        return headers;
    }

    /// The position in the file at which the response's body begins.
    private static long startOf(WebClient.Answer answer, RemoteFile file, PartFile part, long offset)
            throws IOException {
        return switch (answer.status()) {
            case 200 -> 0;
            case 206 -> {
                var range = CONTENT_RANGE.matcher(contentRange(answer));
                if (!range.matches() || Long.parseLong(range.group(1)) != offset) {
                    part.discard();
                    throw new TransferException(shown(file.address()) + " answered bytes from " + offset
                            + " with Content-Range '" + contentRange(answer) + "'");
                }
                var etag = part.etag();
                if (etag != null
                        && !etag.equals(answer.headers().firstValue("ETag").orElse(etag))) {
                    part.discard();
                    throw new TransferException(shown(file.address()) + " has changed since the download began");
                }
                yield offset;
            }
            case 416 -> {
                part.discard();
                throw new TransferException(shown(file.address()) + " has no bytes from " + offset + " on");
            }
            case 408, 429, 500, 502, 503, 504 ->
                throw new TransferException(
                        shown(file.address()) + " answered HTTP " + answer.status(), retryAfterMillis(answer));
            default -> throw new ModelUnavailableException(shown(file.address()) + " answered HTTP " + answer.status());
        };
    }

    /// The whole file's length, if the server and the caller agree on it.
    private static long totalBytes(WebClient.Answer answer, RemoteFile file, long start) throws IOException {
        var announced = announcedBytes(answer, start);
        if (announced.isPresent() && file.bytes().isPresent() && !announced.equals(file.bytes())) {
            throw new ModelUnavailableException(shown(file.address()) + " has " + announced.getAsLong()
                    + " bytes, expected " + file.bytes().getAsLong());
        }
        if (announced.isEmpty() && file.bytes().isEmpty()) {
            throw new ModelUnavailableException(shown(file.address()) + " does not say how long it is");
        }
        return file.bytes().orElseGet(announced::getAsLong);
    }

    private static OptionalLong announcedBytes(WebClient.Answer answer, long start) {
        var range = CONTENT_RANGE.matcher(contentRange(answer));
        if (answer.status() == 206 && range.matches()) {
            return OptionalLong.of(Long.parseLong(range.group(3)));
        }
        var length = answer.headers().firstValueAsLong("Content-Length");
        return length.isPresent() ? OptionalLong.of(start + length.getAsLong()) : length;
    }

    private void copy(WebClient.Answer answer, FileChannel channel, RemoteFile file, long total)
            throws IOException, InterruptedException {
        for (var buffer = answer.next(); buffer.hasRemaining(); buffer = answer.next()) {
            if (channel.position() + buffer.remaining() > total) {
                throw new ModelUnavailableException(
                        shown(file.address()) + " sends more than the " + total + " bytes expected");
            }
            progress.advanced(buffer.remaining());
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
        }
        if (channel.position() < total) {
            throw new TransferException(
                    shown(file.address()) + " ended after " + channel.position() + " of " + total + " bytes");
        }
    }

    private static String contentRange(WebClient.Answer answer) {
        return answer.headers().firstValue("Content-Range").orElse("");
    }

    private static long retryAfterMillis(WebClient.Answer answer) {
        var value = answer.headers().firstValue("Retry-After").orElse("");
        return SECONDS.matcher(value).matches() ? Long.parseLong(value) * 1_000 : 0;
    }
}
