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

/// The right to write into a folder of the cache; one process, and in it one thread, has it at a time.
///
/// The operating system gives the lock back when a process dies, so a stale lock file locks nothing.
public final class FetchLock implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(FetchLock.class);
    /// File locks are held by processes: within one, a second locker would get an exception rather than wait.
    private static final Map<Path, ReentrantLock> OF_THIS_PROCESS = new ConcurrentHashMap<>();

    private final ReentrantLock threads;
    private final FileChannel channel;

    private FetchLock(ReentrantLock threads, FileChannel channel) {
        this.threads = threads;
        this.channel = channel;
    }

    /// Waits until the folder is ours, and says so where it has to wait.
    public static FetchLock of(Path folder) throws IOException, InterruptedException {
        var file = CacheFolder.created(folder).toRealPath().resolve(".lock");
        var threads = OF_THIS_PROCESS.computeIfAbsent(file, _ -> new ReentrantLock());
        if (!threads.tryLock()) {
            LOG.info("waiting for another thread that fetches into {}", folder);
            threads.lockInterruptibly();
        }
        try {
            var channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            try {
                if (channel.tryLock() == null) {
                    LOG.info("waiting for another process that fetches into {} (it holds {})", folder, file);
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
