{{- define "ensue.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* At most 52 characters: a StatefulSet adds a hash to labels of its pods. */ -}}
{{- define "ensue.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "ensue.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "ensue.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "ensue.selector" -}}
app.kubernetes.io/name: {{ include "ensue.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ensue.labels" -}}
{{ include "ensue.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "ensue.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "ensue.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name must name one where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "ensue.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "ensue.operates" -}}
{{- if eq .Values.configuration.from "kubernetes" }}true{{ end -}}
{{- end -}}

{{- define "ensue.configMap" -}}
{{- default (printf "%s-files" (include "ensue.fullname" .)) .Values.configuration.existingConfigMap -}}
{{- end -}}

{{- /* What reading the configuration takes, and saying what is in force of it. */ -}}
{{- define "ensue.ownRules" -}}
- apiGroups: [ensue.dev]
  resources: [connections, policies, rules, scenarios, sources, tables, workflows]
  verbs: [get, list, watch]
- apiGroups: [ensue.dev]
  resources: [connections/status, policies/status, rules/status, scenarios/status, sources/status, tables/status, workflows/status]
  verbs: [patch]
{{- end -}}
