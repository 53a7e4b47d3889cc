package dev.llmworker.assembly;

import dev.llmworker.logs.ProcessEnd;
import dev.llmworker.settings.Settings;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Says how the start ended: once the routes are up, and the model is loaded or has failed. Whichever of them is last,
/// it is the last line of the start.
///
/// If a model fails, `/ping` tells a load balancer, and the process ends later. A user at a terminal gets the terminal
/// back at once.
///
/// Threading: any thread.
public final class StartReport {
    private static final Logger LOG = LoggerFactory.getLogger("dev.llmworker.Worker");

    private final boolean atTerminal;
    private final Runnable atOnce;
    private final FailureExit later;
    private @Nullable String url;
    private @Nullable Consumer<String> ending;

    /// @param atOnce ends the process, if the model fails and a user sits at a terminal
    /// @param later ends the process, if the model fails elsewhere, or if the engine fails later
    StartReport(boolean atTerminal, Runnable atOnce, FailureExit later) {
        this.atTerminal = atTerminal;
        this.atOnce = atOnce;
        this.later = later;
    }

    /// Without a terminal, in a process that stays.
    public StartReport() {
        this(false, () -> {}, FailureExit.none());
    }

    public static StartReport ofThisProcess(Settings settings) {
        var console = System.console();
        // No request runs that a shutdown would have to wait for.
        return new StartReport(
                console != null && console.isTerminal(),
                () -> ProcessEnd.halt(ProcessEnd.FAILED),
                FailureExit.ofThisProcess(settings));
    }

    /// @param ready logs the facts about the model, and takes the worker's URL
    void modelLoaded(Consumer<String> ready) {
        ended(ready);
    }

    void modelFailed(String reason) {
        if (!atTerminal) {
            later.begin(reason);
        }
        ended(_ -> {
            if (atTerminal) {
                LOG.error("nothing can be served: {}", reason);
                atOnce.run();
            } else {
                LOG.error("nothing can be served, {}: {}", later.consequence(), reason);
            }
        });
    }

    /// The engine had been serving.
    void engineFailed(String reason) {
        if (later.begin(reason)) {
            LOG.error("nothing can be served any more, {}: {}", later.consequence(), reason);
        }
    }

    /// An engine that had failed serves again.
    void recovered() {
        later.cancel();
        synchronized (this) {
            ending = null;
        }
        LOG.info("the engine serves again");
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
