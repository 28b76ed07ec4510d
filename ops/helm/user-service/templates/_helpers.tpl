{{/* The labels that select the pods of a node. Arguments: release, node */}}
{{- define "user-service.selector" -}}
app.kubernetes.io/name: user-service
app.kubernetes.io/instance: {{ .release.Name }}
app.kubernetes.io/component: {{ .node }}
{{- end }}

{{/* The labels of every object. Arguments: release, node, chart */}}
{{- define "user-service.labels" -}}
{{ include "user-service.selector" . }}
app.kubernetes.io/version: {{ .chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .release.Service }}
helm.sh/chart: {{ .chart.Name }}-{{ .chart.Version }}
{{- end }}

{{/* Environment variables with their values, and those from Secrets. Arguments: env, secrets */}}
{{- define "user-service.env" -}}
{{- range $name, $value := .env }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- range $name, $secret := .secrets }}
- { name: {{ $name }}, valueFrom: { secretKeyRef: { name: {{ $secret.name | quote }}, key: {{ $secret.key | quote }} } } }
{{- end }}
{{- end }}

{{/* What all pods have in common */}}
{{- define "user-service.pod" -}}
serviceAccountName: {{ .Values.serviceAccountName }}
automountServiceAccountToken: false
enableServiceLinks: false # a Service named minio would set MINIO_PORT
securityContext:
  runAsNonRoot: true # the image's user is 1000; OpenShift sets another one
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with .Values.volumes }}
volumes: {{ toJson . }}
{{- end }}
{{- end }}

{{/* What all containers have in common */}}
{{- define "user-service.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- with .Values.volumeMounts }}
volumeMounts: {{ toJson . }}
{{- end }}
{{- end }}
