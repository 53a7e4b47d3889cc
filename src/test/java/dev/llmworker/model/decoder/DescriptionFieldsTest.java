package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.model.Attention;
import dev.llmworker.model.Layer;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.StoredModel;
import java.lang.reflect.RecordComponent;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What if an architecture or a program ignored a field of the description? For each field that is not as in Llama, a
/// golden model of that architecture must give other logits without it.
@Concurrent
class DescriptionFieldsTest {
    /// Past the windows.
    private static final int PROMPT_TOKENS = 30;

    private static final double NOTICED = 2e-3;
    /// Fields that decide the shapes of tensors, and names: nothing loads with other ones. Epsilons have a test
    /// of their own.
    private static final List<String> LEFT_OUT = List.of(
            "name",
            "architecture",
            "hidden",
            "vocabulary",
            "contextLength",
            "epsilon",
            "layerInput",
            "heads",
            "kvHeads",
            "headDim",
            "keyHeads",
            "valueHeads",
            "keyDim",
            "valueDim",
            "kernel",
            "width",
            "count",
            "sharedWidth",
            "apart",
            "gated",
            "turning");

    /// A softmax of the chosen logits is one of all of them that is divided by its sum. In Gemma 4 a norm follows.
    private static final Set<String> SAME_EITHER_WAY =
            Set.of("gemma4: Experts.normalised", "gpt-oss: Experts.normalised", "gpt-oss: Experts.scoring");

    @TempDir
    private Path directory;

    @Test
    void aGoldenShowsEachField() throws Exception {
        var noticed = new TreeMap<String, Boolean>();
        for (var golden : GoldenModel.all()) {
            try (var model = Gguf.open(golden.file().write(directory.resolve("tiny.gguf")))) {
                var config = Architectures.describe(model);
                config = config.forContext(config.contextLength());
                var logits = logits(model, config, golden);
                for (var change : changes(config).entrySet()) {
                    var key = golden.architecture() + ": " + change.getKey();
                    if (!noticed.getOrDefault(key, false)) {
                        noticed.put(key, differs(logits, model, change.getValue(), golden));
                    }
                }
            }
        }
        var missed = new TreeSet<String>();
        noticed.forEach((key, found) -> {
            if (!found) {
                missed.add(key);
            }
        });
        assertEquals(SAME_EITHER_WAY, missed);
    }

    private static double @Nullable [] logits(StoredModel model, ModelConfig config, GoldenModel golden) {
        try {
            return new NaiveModel(model, config).logits(Arrays.copyOf(golden.ids(), PROMPT_TOKENS));
        } catch (Exception _) {
            return null;
        }
    }

    private static boolean differs(
            double @Nullable [] expected, StoredModel model, ModelConfig config, GoldenModel golden) {
        var found = logits(model, config, golden);
        if (found == null || expected == null) {
            return true;
        }
        var most = 0.0;
        for (var i = 0; i < found.length; i++) {
            most = Math.max(most, Math.abs(found[i] - expected[i]));
        }
        return !(most < NOTICED);
    }

    /// By field, the configuration without it.
    private static Map<String, ModelConfig> changes(ModelConfig config) throws ReflectiveOperationException {
        var changes = new TreeMap<String, ModelConfig>();
        for (var field : ModelConfig.class.getRecordComponents()) {
            if (!field.getName().equals("layers") && changed(config, field) instanceof ModelConfig other) {
                changes.put(named(config, field), other);
            }
        }
        // The same change in all layers.
        var byField = new TreeMap<String, List<Layer>>();
        for (var layer : config.layers()) {
            for (var field : fields(layer)) {
                byField.computeIfAbsent(field, _ -> new ArrayList<>());
            }
        }
        for (var field : byField.keySet()) {
            var layers = new ArrayList<Layer>();
            var any = false;
            for (var layer : config.layers()) {
                var other = without(layer, field);
                any |= other != null;
                layers.add(other == null ? layer : (Layer) other);
            }
            if (any) {
                changes.put(field, with(config, layers));
            }
        }
        return changes;
    }

    private static ModelConfig with(ModelConfig c, List<Layer> layers) {
        return new ModelConfig(
                c.name(),
                c.architecture(),
                c.hidden(),
                c.vocabulary(),
                c.contextLength(),
                c.epsilon(),
                c.embeddingScale(),
                c.logitScale(),
                c.logitCap(),
                c.normsFromZero(),
                c.layerInput(),
                layers);
    }

    private static String named(Record owner, RecordComponent field) {
        return owner.getClass().getSimpleName() + "." + field.getName();
    }

    private static List<String> fields(Record record) throws ReflectiveOperationException {
        var fields = new ArrayList<String>();
        for (var field : record.getClass().getRecordComponents()) {
            fields.add(named(record, field));
            if (field.getAccessor().invoke(record) instanceof Record part) {
                fields.addAll(fields(part));
            }
        }
        return fields;
    }

    /// The record without a field of its own or of one of its parts; null if it has none.
    private static @Nullable Record without(Record record, String wanted) throws ReflectiveOperationException {
        for (var field : record.getClass().getRecordComponents()) {
            if (named(record, field).equals(wanted)) {
                return changed(record, field);
            }
            if (field.getAccessor().invoke(record) instanceof Record part) {
                var other = without(part, wanted);
                if (other != null) {
                    return with(record, field, other);
                }
            }
        }
        return null;
    }

    /// Null if the field is as in Llama, or is left out.
    private static @Nullable Record changed(Record record, RecordComponent field) throws ReflectiveOperationException {
        if (LEFT_OUT.contains(field.getName())) {
            return null;
        }
        var value = field.getAccessor().invoke(record);
        var plain = plain(record, field, value);
        return Objects.equals(value, plain) ? null : with(record, field, plain);
    }

    private static @Nullable Object plain(Record record, RecordComponent field, @Nullable Object value) {
        var name = field.getName();
        return switch (value) {
            case null -> null;
            case Boolean flag -> name.equals("normalised") || name.equals("tiled") ? (Object) !flag : (Object) false;
            case Integer _ when name.equals("keysOf") -> Attention.OWN_KEYS;
            case Integer _ when name.equals("used") -> 1;
            case Integer _ -> 0;
            case Double _ when name.equals("scale") && record instanceof Attention a -> 1 / Math.sqrt(a.headDim());
            case Double _ -> name.endsWith("ap") || name.equals("beta") ? 0.0 : 1.0;
            case Enum<?> constant -> {
                var all = constant.getDeclaringClass().getEnumConstants();
                yield all[0];
            }
            case double[] frequencies ->
                Arrays.stream(frequencies).map(f -> f * 1.01).toArray();
            case Record _ when name.equals("growth") || name.equals("rope") -> null;
            default -> value;
        };
    }

    private static Record with(Record record, RecordComponent changed, @Nullable Object value)
            throws ReflectiveOperationException {
        var fields = record.getClass().getRecordComponents();
        var values = new Object[fields.length];
        var types = new Class<?>[fields.length];
        for (var i = 0; i < fields.length; i++) {
            types[i] = fields[i].getType();
            values[i] = fields[i].getName().equals(changed.getName())
                    ? value
                    : fields[i].getAccessor().invoke(record);
        }
        return record.getClass().getDeclaredConstructor(types).newInstance(values);
    }
}
