package dev.llmworker.assembly;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Says how the start ended: once the routes are up, and the model is loaded or has failed. Whichever of them is last,
/// it is the last line of the start.
///
/// If a model fails, the process stays, and `/ping` tells a load balancer. A user at a terminal gets the terminal back.
///
/// Threading: any thread.
public final class StartReport {
    private static final Logger LOG = LoggerFactory.getLogger("dev.llmworker.Worker");
    private static final int FAILED = 1;

    private final boolean atTerminal;
    private final Runnable exit;
    private @Nullable String url;
    private @Nullable Consumer<String> ending;

    /// @param exit ends the process, if the model fails and a user sits at a terminal
    StartReport(boolean atTerminal, Runnable exit) {
        this.atTerminal = atTerminal;
        this.exit = exit;
    }

    /// Without a terminal.
    public StartReport() {
        this(false, () -> {});
    }

    public static StartReport ofThisProcess() {
        var console = System.console();
        // No request runs that a shutdown would have to wait for.
        return new StartReport(
                console != null && console.isTerminal(),
                () -> Runtime.getRuntime().halt(FAILED));
    }

    /// @param ready logs the facts about the model, and takes the worker's URL
    void modelLoaded(Consumer<String> ready) {
        ended(ready);
    }

    void modelFailed(String reason) {
        ended(_ -> {
            if (atTerminal) {
                LOG.error("nothing can be served: {}", reason);
                exit.run();
            } else {
                LOG.error("nothing can be served, and /ping answers 503: {}", reason);
            }
        });
    }

    /// @param url where the worker is reached
    synchronized void routesAreUp(String url) {
        this.url = url;
        reportOnce();
    }

    private synchronized void ended(Consumer<String> report) {
        ending = report;
        reportOnce();
    }

    private void reportOnce() {
        var report = ending;
        var reached = url;
        if (reached != null && report != null) {
            ending = null;
            report.accept(reached);
        }
    }
}
