package dev.llmworker.hub.download;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The exclusive right to write into a folder of the cache, held by one thread of one process at a time.
///
/// Threading: any thread. The operating system releases the lock when its process dies, so a stale lock file
/// locks nothing.
public final class FetchLock implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(FetchLock.class);
    /// Processes hold file locks: a second thread of this process would get an exception instead of waiting.
    private static final Map<Path, ReentrantLock> OF_THIS_PROCESS = new ConcurrentHashMap<>();

    private final ReentrantLock threads;
    private final FileChannel channel;

    private FetchLock(ReentrantLock threads, FileChannel channel) {
        this.threads = threads;
        this.channel = channel;
    }

    /// Waits for the lock, and logs it if there is a wait.
    public static FetchLock of(Path folder) throws IOException, InterruptedException {
        var file = CacheFolder.created(folder).toRealPath().resolve(".lock");
        var threads = OF_THIS_PROCESS.computeIfAbsent(file, _ -> new ReentrantLock());
        if (!threads.tryLock()) {
            LOG.info("waiting for another thread that downloads into {}", folder);
            threads.lockInterruptibly();
        }
        try {
            var channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            try {
                if (channel.tryLock() == null) {
                    LOG.info("waiting for another process that downloads into {} (it holds {})", folder, file);
                    channel.lock();
                }
                return new FetchLock(threads, channel);
            } catch (IOException | RuntimeException e) {
                channel.close();
                throw e;
            }
        } catch (IOException | RuntimeException e) {
            threads.unlock();
            throw e;
        }
    }

    @Override
    public void close() throws IOException {
        try {
            channel.close();
        } finally {
            threads.unlock();
        }
    }
}
