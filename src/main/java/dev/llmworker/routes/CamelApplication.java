package dev.llmworker.routes;

import dev.llmworker.assembly.WorkerBeans;
import dev.llmworker.serving.camel.BeforeStop;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.settings.SettingsTable;
import java.nio.file.Path;
import java.util.List;
import org.apache.camel.CamelContext;
import org.apache.camel.ExtendedStartupListener;
import org.apache.camel.RuntimeCamelException;
import org.apache.camel.main.BaseMainSupport;
import org.apache.camel.main.Main;
import org.apache.camel.main.MainListenerSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The Camel Main application, with the routes of one folder.
public final class CamelApplication extends Main {
    private static final Logger LOG = LoggerFactory.getLogger("dev.llmworker.Worker");
    private static final int SHUTDOWN_SECONDS = 5;
    private static final int EXTRA_SECONDS = 20;

    /// @throws SettingsException if there are no routes
    public CamelApplication(Settings settings, WorkerBeans beans) throws SettingsException {
        var folder = Path.of(settings.get(SettingsTable.ROUTES));
        RouteFiles.list(folder);
        bind("workerBeans", beans);
        // The file is not a location of properties: Camel would read it once more, and in its own way.
        setPropertyPlaceholderLocations("false");
        settings.properties().forEach(this::addInitialProperty);
        configure()
                .withName("worker")
                // [RouteFiles] loads the files one by one.
                .withRoutesIncludePattern("false")
                // Bodies are not streams here. With the cache, answers would be sent in chunks, without their
                // length.
                .withStreamCachingEnabled(false)
                .withShutdownTimeout(SHUTDOWN_SECONDS)
                // The process allows this time for the whole shutdown: running requests, then Camel's routes,
                // then the engine.
                .withExtraShutdownTimeout(
                        (int) settings.get(SettingsTable.DRAIN_TIMEOUT).toSeconds() + EXTRA_SECONDS);
        // The worker's port is open already; Camel must not open a second one.
        addOverrideProperty("camel.server.enabled", "false");
        addMainListener(new MainListenerSupport() {
            @Override
            public void afterConfigure(BaseMainSupport main) {
                try {
                    main.getCamelContext().addStartupListener(routes(settings, beans));
                } catch (Exception e) {
                    throw RuntimeCamelException.wrapRuntimeException(e);
                }
            }
        });
    }

    @Override
    protected CamelContext createCamelContext() {
        var context = new WorkerContext();
        context.getCamelContextExtension().setRegistry(registry);
        return context;
    }

    /// Loads the routes, opens the port to them, and logs where the worker serves.
    private static ExtendedStartupListener routes(Settings settings, WorkerBeans beans) {
        return new ExtendedStartupListener() {
            @Override
            public void onCamelContextStarted(CamelContext context, boolean alreadyStarted) {}

            @Override
            public void onCamelContextFullyStarted(CamelContext context, boolean alreadyStarted) throws Exception {
                var folder = Path.of(settings.get(SettingsTable.ROUTES));
                var files = new RouteFiles((WorkerContext) context, folder);
                context.getManagementStrategy().addEventNotifier(new BeforeStop(files::stop));
                files.loadAll();
                context.getRegistry().bind("routeFiles", files);
                if (settings.get(SettingsTable.ROUTES_RELOAD)) {
                    context.addService(new RouteReload(folder, files));
                }
                beans.serve(context);
                LOG.info("serving on {}  routes: {}", beans.port().url(), String.join(" ", paths(context)));
                beans.started();
            }
        };
    }

    private static List<String> paths(CamelContext context) {
        return context.getRoutes().stream()
                .map(route -> route.getEndpoint().getEndpointBaseUri())
                .filter(uri -> uri.startsWith("platform-http:") || uri.startsWith("vertx-websocket:"))
                .map(uri -> uri.substring(uri.indexOf(':') + 1).replaceFirst("^/*", "/"))
                // Camel percent-encodes the braces of a path's parameters.
                .map(path -> path.replace("%7B", "{").replace("%7D", "}"))
                .distinct()
                .sorted()
                .toList();
    }
}
