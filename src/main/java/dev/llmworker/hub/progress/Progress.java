package dev.llmworker.hub.progress;

import org.slf4j.LoggerFactory;

/// Told how long work on bytes (a download, a check) comes along.
///
/// Threading: called by one thread, the one that works.
public interface Progress {
    /// A new stage begins; one that was not ended counts as abandoned.
    ///
    /// @param name what the operator reads, such as `downloading model.gguf`
    /// @param totalBytes how many bytes `advanced` will add up to
    void stage(String name, long totalBytes);

    /// So many more bytes are done.
    void advanced(long bytes);

    /// The stage has ended, whole or not.
    void done();

    /// A bar where someone watches, else a log line every few seconds: hosts throttle logs, and a file shows no bar.
    static Progress ofThisProcess() {
        var console = System.console();
        if (console != null && console.isTerminal()) {
            return new ThrottledProgress(new TerminalBar(console.writer()), System::nanoTime);
        }
        return new ThrottledProgress(new LogLines(LoggerFactory.getLogger(Progress.class)::info), System::nanoTime);
    }

    /// Tells nobody.
    static Progress silent() {
        return new Progress() {
            @Override
            public void stage(String name, long totalBytes) {}

            @Override
            public void advanced(long bytes) {}

            @Override
            public void done() {}
        };
    }
}
