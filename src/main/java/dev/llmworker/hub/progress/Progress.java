package dev.llmworker.hub.progress;

import org.slf4j.LoggerFactory;

/// Receives the progress of work on bytes, such as a download or a check.
///
/// Threading: called by the one thread that works.
public interface Progress {
    /// Starts a new stage; one that was not ended counts as abandoned.
    ///
    /// @param name shown to the operator, such as `downloading model.gguf`
    /// @param totalBytes the sum of all calls of `advanced`
    void stage(String name, long totalBytes);

    /// This many more bytes are done.
    void advanced(long bytes);

    /// The stage has ended, complete or not.
    void done();

    /// A bar on a terminal, or else a log line every few seconds: hosts throttle logs, and a file cannot show a
    /// bar.
    static Progress ofThisProcess() {
        var console = System.console();
        var terminal = console != null && console.isTerminal() ? console.writer() : null;
        return new ThrottledProgress(terminal, LoggerFactory.getLogger(Progress.class)::info, System::nanoTime);
    }

    /// Shows nothing.
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
