package dev.llmworker.serving.llm;

import org.apache.camel.spi.Metadata;

/// Headers of the steps of `llm:`. Those of options override the step's parameters for one message.
public final class LlmConstants {
    @Metadata(label = "producer", description = "Overrides maxTokens.", javaType = "Long")
    public static final String MAX_TOKENS = "CamelLlmMaxTokens";

    @Metadata(label = "producer", description = "Overrides temperature.", javaType = "Double")
    public static final String TEMPERATURE = "CamelLlmTemperature";

    @Metadata(label = "producer", description = "Overrides topK.", javaType = "Long")
    public static final String TOP_K = "CamelLlmTopK";

    @Metadata(label = "producer", description = "Overrides topP.", javaType = "Double")
    public static final String TOP_P = "CamelLlmTopP";

    @Metadata(label = "producer", description = "Overrides minP.", javaType = "Double")
    public static final String MIN_P = "CamelLlmMinP";

    @Metadata(label = "producer", description = "Overrides seed.", javaType = "Long")
    public static final String SEED = "CamelLlmSeed";

    @Metadata(label = "producer", description = "Overrides raw.", javaType = "Boolean")
    public static final String RAW = "CamelLlmRaw";

    @Metadata(label = "producer", description = "Overrides ignoreEos.", javaType = "Boolean")
    public static final String IGNORE_EOS = "CamelLlmIgnoreEos";

    @Metadata(label = "producer", description = "Overrides minTokens.", javaType = "Long")
    public static final String MIN_TOKENS = "CamelLlmMinTokens";

    @Metadata(label = "producer", description = "Overrides stop: a text or a list of texts.", javaType = "Object")
    public static final String STOP = "CamelLlmStop";

    @Metadata(label = "producer", description = "Overrides presencePenalty.", javaType = "Double")
    public static final String PRESENCE_PENALTY = "CamelLlmPresencePenalty";

    @Metadata(label = "producer", description = "Overrides frequencyPenalty.", javaType = "Double")
    public static final String FREQUENCY_PENALTY = "CamelLlmFrequencyPenalty";

    @Metadata(label = "producer", description = "Overrides repetitionPenalty.", javaType = "Double")
    public static final String REPETITION_PENALTY = "CamelLlmRepetitionPenalty";

    @Metadata(label = "producer", description = "Overrides dimensions, of embed.", javaType = "Long")
    public static final String DIMENSIONS = "CamelLlmDimensions";

    @Metadata(label = "producer", description = "Overrides query, of rerank.", javaType = "String")
    public static final String QUERY = "CamelLlmQuery";

    @Metadata(label = "producer", description = "Overrides instruction, of rerank.", javaType = "String")
    public static final String INSTRUCTION = "CamelLlmInstruction";

    @Metadata(label = "producer", description = "Overrides topN, of rerank.", javaType = "Long")
    public static final String TOP_N = "CamelLlmTopN";

    @Metadata(
            description = "Of rerank: how likely each of the documents answers the query, 0 to 1, in their order.",
            javaType = "java.util.List")
    public static final String SCORES = "CamelLlmScores";

    @Metadata(description = "Why the text ended: stop, or length if maxTokens cut it.", javaType = "String")
    public static final String FINISH_REASON = "CamelLlmFinishReason";

    @Metadata(description = "The number of tokens of the prompt.", javaType = "Integer")
    public static final String PROMPT_TOKENS = "CamelLlmPromptTokens";

    @Metadata(description = "The number of generated tokens.", javaType = "Integer")
    public static final String COMPLETION_TOKENS = "CamelLlmCompletionTokens";

    private LlmConstants() {}
}
