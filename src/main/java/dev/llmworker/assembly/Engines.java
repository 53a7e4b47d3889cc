package dev.llmworker.assembly;

import dev.llmworker.engine.InProcessGenerator;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.model.Libtorch;
import dev.llmworker.remote.RemoteGenerator;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.settings.SettingsTable;
import dev.llmworker.stats.WorkerStats;
import io.vertx.core.Vertx;

/// Creates the generator that the settings choose.
public final class Engines {
    private Engines() {}

    /// Returns at once; an engine that has something to load does so on a thread of its own.
    ///
    /// @param vertx its event loops talk to other servers
    /// @throws SettingsException if the engine lacks a setting
    public static Generator start(Settings settings, Vertx vertx, WorkerStats stats) throws SettingsException {
        return switch (settings.get(SettingsTable.ENGINE)) {
            case MOCK -> new MockGenerator(settings.get(SettingsTable.REQUEST_TIMEOUT), System::nanoTime);
            case OPENAI -> RemoteGenerator.start(vertx, RemoteEngine.options(settings));
            case DJL -> {
                Libtorch.spareCudaSearch();
                NativeMethods.link();
                Libtorch.startLoading();
                var model = new LocalModel(settings);
                yield InProcessGenerator.start(
                        model::load,
                        new InProcessGenerator.Limits(
                                settings.orNull(SettingsTable.QUEUE_LIMIT),
                                settings.get(SettingsTable.REQUEST_TIMEOUT),
                                settings.get(SettingsTable.PREFIX_SHARING) == SettingsTable.PrefixSharing.ALL),
                        System::nanoTime,
                        stats.engine(),
                        model::announce);
            }
        };
    }
}
