package dev.llmworker;

import dev.llmworker.assembly.Engines;
import dev.llmworker.assembly.Listening;
import dev.llmworker.assembly.StartReport;
import dev.llmworker.assembly.WorkerBeans;
import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.serving.port.PortException;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.settings.SettingsSource;
import dev.llmworker.settings.SettingsTable;
import dev.llmworker.settings.UnknownSettings;
import dev.llmworker.stats.WorkerStats;
import java.util.HashMap;
import org.apache.camel.CamelContext;
import org.apache.camel.ExtendedStartupListener;
import org.apache.camel.RuntimeCamelException;
import org.apache.camel.spi.ContextServicePlugin;
import org.slf4j.LoggerFactory;

/// Binds the beans while Camel builds its context, early enough for every route. [Worker] has made them by then; under
/// Camel JBang, which runs in the folder of the routes, they are made here.
public final class WorkerPlugin implements ContextServicePlugin {
    @Override
    public void load(CamelContext context) {
        var registry = context.getRegistry();
        var beans = registry.findSingleByType(WorkerBeans.class);
        if (beans == null) {
            beans = beans(context);
            registry.bind("workerBeans", beans);
            serveWhenStarted(context, beans);
        }
        beans.bind(registry);
    }

    private static void serveWhenStarted(CamelContext context, WorkerBeans beans) {
        try {
            context.addStartupListener(new ExtendedStartupListener() {
                /// Camel calls this for each route that is added later, too.
                @Override
                public void onCamelContextStarted(CamelContext started, boolean alreadyStarted) {}

                @Override
                public void onCamelContextFullyStarted(CamelContext started, boolean alreadyStarted) {
                    beans.serve(started);
                    beans.started();
                }
            });
        } catch (Exception e) {
            throw RuntimeCamelException.wrapRuntimeException(e);
        }
    }

    private static WorkerBeans beans(CamelContext context) {
        Worker.optOutOfTracking();
        try {
            var variables = new HashMap<>(System.getenv());
            variables.put(SettingsTable.ROUTES.name(), ".");
            var source = SettingsSource.read(variables);
            var settings = Settings.of(source);
            // Camel has read the file too. It takes a byte order mark for a part of the first name.
            source.properties().forEach(context.getPropertiesComponent()::addInitialProperty);
            UnknownSettings.warnings(source).forEach(LoggerFactory.getLogger(WorkerPlugin.class)::warn);
            var prepared = Engines.prepare(settings);
            var stats = new WorkerStats();
            var port = HttpPort.open(Listening.settings(settings));
            var report = StartReport.ofThisProcess(settings);
            var engine = Engines.start(settings, port.vertx(), stats, report, prepared);
            return WorkerBeans.of(port, engine, stats, report);
        } catch (SettingsException | PortException e) {
            throw new RuntimeCamelException(e.getMessage());
        }
    }

    @Override
    public void unload(CamelContext context) {
        var beans = context.getRegistry().findSingleByType(WorkerBeans.class);
        if (beans != null) {
            beans.close();
        }
    }
}
