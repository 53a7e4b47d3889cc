package dev.llmworker.assembly;

import dev.llmworker.engine.InProcessGenerator;
import dev.llmworker.engine.LanguageModel;
import dev.llmworker.engine.LoadListener;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.model.device.Devices;
import dev.llmworker.model.device.Libtorch;
import dev.llmworker.remote.RemoteGenerator;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.settings.SettingsTable;
import dev.llmworker.stats.WorkerStats;
import io.vertx.core.Vertx;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Creates the generator that the settings choose.
public final class Engines {
    private Engines() {}

    public static Generator start(Settings settings, Vertx vertx, WorkerStats stats) throws SettingsException {
        return start(settings, vertx, stats, new StartReport(), prepare(settings));
    }

    /// Begins what an engine needs and what needs no port: one core would be idle until the port is open. Returns at
    /// once.
    ///
    /// @return null if the engine has no model in this process
    /// @throws SettingsException if the settings contradict each other, or the engine cannot run on this system
    public static @Nullable LocalModel prepare(Settings settings) throws SettingsException {
        var engine = settings.get(SettingsTable.ENGINE);
        if (settings.orNull(SettingsTable.ENGINE_COMMAND) != null && engine != SettingsTable.Engine.OPENAI) {
            throw new SettingsException("ENGINE_COMMAND is set, which needs ENGINE=openai");
        }
        if (engine != SettingsTable.Engine.DJL) {
            return null;
        }
        requireSystem();
        Libtorch.spareCudaSearch();
        var model = new LocalModel(settings);
        // Whether there is a GPU is known when libtorch is loaded, and the port would wait for that.
        if (!Devices.isGpuMeant(settings.get(SettingsTable.DEVICE))) {
            NativeMethods.startLinking();
            model.startReading();
        }
        return model;
    }

    /// Returns at once; an engine that has something to load does so on a thread of its own.
    ///
    /// @param vertx its event loops talk to other servers
    /// @param report is told how the loading ended
    /// @param prepared what [#prepare(Settings)] has returned for these settings
    /// @throws SettingsException if the engine lacks a setting
    public static Generator start(
            Settings settings, Vertx vertx, WorkerStats stats, StartReport report, @Nullable LocalModel prepared)
            throws SettingsException {
        var command = settings.orNull(SettingsTable.ENGINE_COMMAND);
        return switch (settings.get(SettingsTable.ENGINE)) {
            case MOCK -> new MockGenerator(settings.get(SettingsTable.REQUEST_TIMEOUT), System::nanoTime);
            case OPENAI ->
                command == null
                        ? RemoteGenerator.start(vertx, RemoteEngine.options(settings))
                        : CommandEngine.of(settings, command).start(vertx, stats.engine(), report);
            case DJL -> {
                var model = Objects.requireNonNull(prepared, "not prepared");
                NativeMethods.link();
                Libtorch.startLoading();
                yield InProcessGenerator.start(
                        model::load,
                        new InProcessGenerator.Limits(
                                settings.orNull(SettingsTable.QUEUE_LIMIT),
                                settings.get(SettingsTable.REQUEST_TIMEOUT),
                                settings.get(SettingsTable.PREFIX_SHARING) == SettingsTable.PrefixSharing.ALL,
                                settings.get(SettingsTable.SPECULATION) == SettingsTable.Speculation.AUTO),
                        System::nanoTime,
                        stats.engine(),
                        new LoadListener() {
                            @Override
                            public void loaded(LanguageModel language) {
                                report.modelLoaded(url -> model.announce(language, url));
                            }

                            @Override
                            public void failed(String reason) {
                                report.modelFailed(reason);
                            }

                            @Override
                            public void broken(String reason) {
                                report.engineFailed(reason);
                            }
                        });
            }
        };
    }

    /// libtorch and DJL's binding to it are published for some systems only.
    ///
    /// @throws SettingsException if this is another one
    public static void requireSystem() throws SettingsException {
        var system = System.getProperty("os.name");
        var processor = System.getProperty("os.arch");
        var isServed = switch (system) {
            case "Linux" -> processor.equals("amd64") || processor.equals("aarch64");
            case "Mac OS X" -> processor.equals("aarch64");
            default -> false;
        };
        if (!isServed) {
            throw new SettingsException(
                    "ENGINE=djl decodes on Linux on x86-64 and ARM64 and on macOS on ARM64 only, and"
                            + " this is " + system + " on " + processor
                            + ". ENGINE=openai and ENGINE=mock run here, and so"
                            + " does the image for linux/amd64 or linux/arm64");
        }
    }
}
