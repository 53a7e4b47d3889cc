package dev.llmworker;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import org.apache.camel.CamelContext;
import org.apache.camel.ExtendedStartupListener;
import org.apache.camel.RuntimeCamelException;
import org.apache.camel.main.BaseMainSupport;
import org.apache.camel.main.Main;
import org.apache.camel.main.MainListenerSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Camel Main with the routes of one folder.
final class CamelApplication extends Main {
    private static final Logger LOG = LoggerFactory.getLogger(Worker.class);
    private static final int SHUTDOWN_SECONDS = 5;

    /// @throws SettingsException when there are no routes
    CamelApplication(Settings settings, WorkerBeans beans) throws SettingsException {
        var folder = settings.routes();
        var files = routeFiles(folder);
        bind("workerBeans", beans);
        setPropertyPlaceholderLocations("file:" + folder.resolve("application.properties") + ";optional=true");
        configure()
                .withName("worker")
                .withRoutesIncludePattern(String.join(
                        ",", files.stream().map(file -> "file:" + file).toList()))
                // Bodies are not streams here; with the cache an answer would leave in chunks, without its length.
                .withStreamCachingEnabled(false)
                .withShutdownTimeout(SHUTDOWN_SECONDS)
                .withExtraShutdownTimeout(SHUTDOWN_SECONDS);
        // Whatever the file says for Camel JBang, here the port is open already.
        addOverrideProperty("camel.server.enabled", "true");
        addOverrideProperty("camel.server.host", settings.listen().host());
        addOverrideProperty("camel.server.port", Integer.toString(beans.port().port()));
        addMainListener(new MainListenerSupport() {
            @Override
            public void afterConfigure(BaseMainSupport main) {
                try {
                    main.getCamelContext().addStartupListener(announcement(settings, beans));
                } catch (Exception e) {
                    throw RuntimeCamelException.wrapRuntimeException(e);
                }
            }
        });
    }

    private static List<Path> routeFiles(Path folder) throws SettingsException {
        if (!Files.isDirectory(folder)) {
            throw new SettingsException(
                    "ROUTES is \"" + folder + "\", which is no folder; it must hold *.camel.yaml files");
        }
        try (var files = Files.newDirectoryStream(folder, "*.camel.yaml")) {
            var sorted = new TreeSet<Path>();
            files.forEach(sorted::add);
            if (sorted.isEmpty()) {
                throw new SettingsException("ROUTES is \"" + folder + "\", which has no *.camel.yaml file");
            }
            return List.copyOf(sorted);
        } catch (IOException e) {
            throw new SettingsException("ROUTES is \"" + folder + "\", which cannot be read: " + e.getMessage());
        }
    }

    /// Says where the worker serves, once it does.
    private static ExtendedStartupListener announcement(Settings settings, WorkerBeans beans) {
        return new ExtendedStartupListener() {
            @Override
            public void onCamelContextStarted(CamelContext context, boolean alreadyStarted) {}

            @Override
            public void onCamelContextFullyStarted(CamelContext context, boolean alreadyStarted) {
                LOG.info(
                        "serving on http://{}:{}  routes: {}",
                        settings.listen().host(),
                        beans.port().port(),
                        String.join(" ", paths(context)));
            }
        };
    }

    private static List<String> paths(CamelContext context) {
        return context.getRoutes().stream()
                .map(route -> route.getEndpoint().getEndpointBaseUri())
                .filter(uri -> uri.startsWith("platform-http:") || uri.startsWith("vertx-websocket:"))
                .map(uri -> uri.substring(uri.indexOf(':') + 1).replaceFirst("^/*", "/"))
                .distinct()
                .sorted()
                .toList();
    }
}
